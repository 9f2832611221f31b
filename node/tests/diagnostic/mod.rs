//! Encoded forms as people read them.

use minicbor::Decoder;
use minicbor::data::Type;

/// CBOR in diagnostic notation (RFC 8949 section 8).
pub(crate) fn shown(decoder: &mut Decoder<'_>) -> String {
    match decoder.datatype().unwrap() {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64().unwrap().to_string(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64().unwrap().to_string(),
        Type::Bool => decoder.bool().unwrap().to_string(),
        Type::Null => decoder.null().map(|()| "null".to_owned()).unwrap(),
        Type::String => format!("{:?}", decoder.str().unwrap()),
        Type::Bytes => format!("h'{}'", hex(decoder.bytes().unwrap())),
        Type::Array => {
            let count = decoder.array().unwrap().unwrap();
            let items: Vec<_> = (0..count).map(|_| shown(decoder)).collect();
            format!("[{}]", items.join(", "))
        }
        Type::Map => {
            let count = decoder.map().unwrap().unwrap();
            let item = |_| format!("{}: {}", shown(decoder), shown(decoder));
            let items: Vec<_> = (0..count).map(item).collect();
            format!("{{{}}}", items.join(", "))
        }
        other => panic!("{other} is outside the profile"),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
