//! The only part that is root: admits plans under the ceiling, builds and destroys cells.
