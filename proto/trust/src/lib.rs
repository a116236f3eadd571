//! Who is who on the wire: certificates with URI names, TLS configurations, and Ed25519 signatures over intents and receipts.
