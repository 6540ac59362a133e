//! Bytes in and out: varints, bounded strings, and where an error stands.

use super::CodecError;

pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Zigzag: small magnitudes stay short whatever their sign.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A cursor over one record.
pub struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Wire<'a> {
    pub fn new(bytes: &'a [u8]) -> Wire<'a> {
        Wire { bytes, at: 0 }
    }

    pub fn malformed(&self, what: &'static str) -> CodecError {
        CodecError::Malformed { at: self.at, what }
    }

    pub fn byte(&mut self, what: &'static str) -> Result<u8, CodecError> {
        let byte = *self
            .bytes
            .get(self.at)
            .ok_or(CodecError::Short { at: self.at, what })?;
        self.at += 1;
        Ok(byte)
    }

    pub fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], CodecError> {
        let end = self
            .at
            .checked_add(len)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(CodecError::Short {
            at: self.bytes.len(),
            what,
        })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub fn varint(&mut self, what: &'static str) -> Result<u64, CodecError> {
        let first = self.byte(what)?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.malformed(what));
            }
            value |= bits << shift;
            if byte < 0x80 {
                // A last byte of zero would be a second encoding of the same number.
                return if byte == 0 {
                    Err(self.malformed(what))
                } else {
                    Ok(value)
                };
            }
        }
        Err(self.malformed(what))
    }

    pub fn signed(&mut self, what: &'static str) -> Result<i64, CodecError> {
        let raw = self.varint(what)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    pub fn bounded(&mut self, max: u64, what: &'static str) -> Result<u64, CodecError> {
        let value = self.varint(what)?;
        if value > max {
            Err(self.malformed(what))
        } else {
            Ok(value)
        }
    }

    pub fn text(&mut self, max: usize, what: &'static str) -> Result<&'a str, CodecError> {
        let len = self.bounded(max as u64, what)? as usize;
        let bytes = self.take(len, what)?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed(what))
    }

    pub fn end(&self) -> Result<(), CodecError> {
        let extra = self.bytes.len() - self.at;
        if extra == 0 {
            Ok(())
        } else {
            Err(CodecError::Trailing { at: self.at, extra })
        }
    }
}
