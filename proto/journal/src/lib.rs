//! Append-only, hash-chained journals of intents and outcomes.
