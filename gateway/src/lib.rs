//! cofferdam-gateway, the MCP front service, and cofferdam, the person's command.
