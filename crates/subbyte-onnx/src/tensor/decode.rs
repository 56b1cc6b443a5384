//! `TensorProto` to [`Tensor`].

use super::{Numbers, Source, Tensor, elements, external, half};
use crate::{
    error::Refusal,
    schema::{EXTERNAL, TensorProto, data_type},
};

/// How the elements of a type are stored.
#[derive(Clone, Copy)]
struct Format {
    bits: usize,
    range: Option<(i64, i64)>,
}

/// `None` for types that hold no numbers we know.
fn format(data_type: i32) -> Option<Format> {
    let bits = match data_type {
        data_type::UINT2 | data_type::INT2 => 2,
        data_type::UINT4 | data_type::INT4 => 4,
        data_type::UINT8 | data_type::INT8 | data_type::BOOL => 8,
        data_type::UINT16 | data_type::INT16 | data_type::FLOAT16 | data_type::BFLOAT16 => 16,
        data_type::UINT32 | data_type::INT32 | data_type::FLOAT => 32,
        data_type::UINT64 | data_type::INT64 | data_type::DOUBLE => 64,
        _ => return None,
    };
    let range = match data_type {
        data_type::BOOL => Some((0, 1)),
        data_type::INT2
        | data_type::INT4
        | data_type::INT8
        | data_type::INT16
        | data_type::INT32
        | data_type::INT64 => Some((i64::MIN >> (64 - bits), i64::MAX >> (64 - bits))),
        // Lengths and indices beyond i64 occur in no network.
        data_type::UINT64 => Some((0, i64::MAX)),
        data_type::UINT2
        | data_type::UINT4
        | data_type::UINT8
        | data_type::UINT16
        | data_type::UINT32 => Some((0, (1 << bits) - 1)),
        _ => None,
    };
    Some(Format { bits, range })
}

/// Smallest and largest value of an integer type.
pub fn range_of(data_type: i32) -> Option<(i64, i64)> {
    format(data_type)?.range
}

/// The constant that `proto` describes; `name` where it has none of its own.
pub fn decode(proto: &TensorProto, name: &str, source: &mut Source) -> Result<Tensor, Refusal> {
    let name = match proto.name.as_deref() {
        Some(own) if !own.is_empty() => own,
        _ => name,
    };
    let data_type = proto.data_type.unwrap_or(0);
    let Some(format) = format(data_type) else {
        return Err(Refusal::new(
            format!("its constant `{name}` has the element type {data_type}"),
            "export it with floats or integers of 2 to 64 bits",
        ));
    };
    let broken = |what: String| Refusal::broken(format!("its constant `{name}` {what}"));
    let dims = proto.dims.iter().map(|&dim| usize::try_from(dim));
    let dims: Vec<usize> = dims
        .collect::<Result<_, _>>()
        .map_err(|_| broken(format!("has the shape {:?}", proto.dims)))?;
    let len = elements(&dims)?;
    let bytes = len
        .checked_mul(format.bits)
        .ok_or_else(|| broken(format!("is too large: {dims:?}")))?
        .div_ceil(8);
    let is_external = proto.data_location == Some(EXTERNAL);
    let external;
    let raw = match is_external {
        true => {
            external = external::read(&proto.external_data, bytes, len, source)?;
            Some(&external)
        }
        false => proto.raw_data.as_ref(),
    };
    let short = |found: usize, unit: &str, wanted: usize| {
        broken(format!(
            "has {found} {unit}, its shape {dims:?} needs {wanted}"
        ))
    };
    let numbers = match raw {
        Some(raw) if raw.len() != bytes => return Err(short(raw.len(), "bytes", bytes)),
        Some(raw) => {
            // External data has been counted before it was read.
            source.budget.take(if is_external { 0 } else { len })?;
            from_raw(raw, len, data_type, format)
        }
        None => {
            let stored = match data_type {
                data_type::FLOAT => proto.float_data.len(),
                data_type::DOUBLE => proto.double_data.len(),
                data_type::INT64 => proto.int64_data.len(),
                data_type::UINT32 | data_type::UINT64 => proto.uint64_data.len(),
                _ => proto.int32_data.len(),
            };
            // Elements below a byte are stored as bytes.
            let wanted = if format.bits < 8 { bytes } else { len };
            if stored != wanted {
                return Err(short(stored, "numbers", wanted));
            }
            source.budget.take(len)?;
            from_fields(proto, len, data_type, format)
        }
    };
    if let Numbers::Int { values, range } = &numbers
        && values.iter().any(|v| !(range.0..=range.1).contains(v))
    {
        return Err(broken("has integers that its type cannot hold".into()));
    }
    Ok(Tensor::new(name.to_owned(), dims, numbers))
}

fn from_raw(raw: &[u8], len: usize, data_type: i32, format: Format) -> Numbers {
    fn each<const N: usize, T>(raw: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.as_chunks().0.iter().map(|&bytes| f(bytes)).collect()
    }
    let values = match data_type {
        data_type::FLOAT => return Numbers::Float(each(raw, f32::from_le_bytes)),
        data_type::DOUBLE => {
            return Numbers::Float(each(raw, |b| f64::from_le_bytes(b) as f32));
        }
        data_type::FLOAT16 => {
            return Numbers::Float(each(raw, |b| half::from_f16(u16::from_le_bytes(b))));
        }
        data_type::BFLOAT16 => {
            return Numbers::Float(each(raw, |b| half::from_bf16(u16::from_le_bytes(b))));
        }
        data_type::INT8 => each(raw, |b| i64::from(i8::from_le_bytes(b))),
        data_type::INT16 => each(raw, |b| i64::from(i16::from_le_bytes(b))),
        data_type::INT32 => each(raw, |b| i64::from(i32::from_le_bytes(b))),
        data_type::INT64 => each(raw, i64::from_le_bytes),
        data_type::UINT16 => each(raw, |b| i64::from(u16::from_le_bytes(b))),
        data_type::UINT32 => each(raw, |b| i64::from(u32::from_le_bytes(b))),
        // What is beyond i64 becomes negative and is refused.
        data_type::UINT64 => each(raw, |b| u64::from_le_bytes(b) as i64),
        _ if format.bits < 8 => unpack(raw.iter().copied(), len, format),
        _ => raw.iter().map(|&b| i64::from(b)).collect(),
    };
    integers(values, format)
}

fn from_fields(proto: &TensorProto, len: usize, data_type: i32, format: Format) -> Numbers {
    let ints = &proto.int32_data;
    let values = match data_type {
        data_type::FLOAT => return Numbers::Float(proto.float_data.clone()),
        data_type::DOUBLE => {
            return Numbers::Float(proto.double_data.iter().map(|&x| x as f32).collect());
        }
        data_type::FLOAT16 => {
            return Numbers::Float(ints.iter().map(|&i| half::from_f16(i as u16)).collect());
        }
        data_type::BFLOAT16 => {
            return Numbers::Float(ints.iter().map(|&i| half::from_bf16(i as u16)).collect());
        }
        data_type::INT64 => proto.int64_data.clone(),
        data_type::UINT32 | data_type::UINT64 => {
            proto.uint64_data.iter().map(|&i| i as i64).collect()
        }
        _ if format.bits < 8 => unpack(ints.iter().map(|&i| i as u8), len, format),
        _ => ints.iter().map(|&i| i64::from(i)).collect(),
    };
    integers(values, format)
}

fn integers(values: Vec<i64>, format: Format) -> Numbers {
    Numbers::Int {
        values,
        range: format.range.unwrap_or(super::WHOLE),
    }
}

/// Elements of 2 or 4 bits, the lowest bits first.
fn unpack(bytes: impl Iterator<Item = u8>, len: usize, format: Format) -> Vec<i64> {
    let signed = format.range.is_some_and(|(low, _)| low < 0);
    let element = |code: u8| {
        let code = i64::from(code);
        let above = 1 << format.bits;
        match signed && code >= above / 2 {
            true => code - above,
            false => code,
        }
    };
    let mask = (1u8 << format.bits) - 1;
    let parts = |byte: u8| (0..8 / format.bits).map(move |i| byte >> (i * format.bits) & mask);
    bytes.flat_map(parts).take(len).map(element).collect()
}
