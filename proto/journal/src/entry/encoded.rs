//! Signed bytes inside a body, as base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use prost::Message;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Plain bytes.
pub(super) mod bytes {
    use super::{BASE64_STANDARD, Deserializer, Engine, Serializer, decode};

    pub(in crate::entry) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(in crate::entry) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        decode(deserializer)
    }
}

/// A protobuf message.
pub(super) mod message {
    use super::{Deserializer, Error, Message, Serializer, bytes, decode};

    pub(in crate::entry) fn serialize<M: Message, S: Serializer>(
        message: &M,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes::serialize(&message.encode_to_vec(), serializer)
    }

    pub(in crate::entry) fn deserialize<'de, M: Message + Default, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<M, D::Error> {
        M::decode(decode(deserializer)?.as_slice()).map_err(D::Error::custom)
    }
}

/// A protobuf message or none; none is not serialised at all.
pub(super) mod option {
    use super::{Deserializer, Message, Serializer, message};

    #[allow(clippy::ref_option, reason = "serde's `with` passes a reference to the field")]
    pub(in crate::entry) fn serialize<M: Message, S: Serializer>(
        field: &Option<M>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match field {
            Some(inside) => message::serialize(inside, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::entry) fn deserialize<'de, M: Message + Default, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<M>, D::Error> {
        message::deserialize(deserializer).map(Some)
    }
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD.decode(text).map_err(D::Error::custom)
}
