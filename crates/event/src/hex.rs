//! Digests and versions as people and files have them: two lower-case digits a byte.

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A SHA-256 as [`hex`] writes it, in either case; `None`: it is none.
pub fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let digit = |it: u8| char::from(it).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_comes_back_from_its_digits_and_nothing_else_does() {
        let held: [u8; 32] = std::array::from_fn(|at| (at * 37) as u8);
        let text = hex(&held);
        assert!(text.starts_with("00254a6f"), "{text}");
        assert_eq!(digest(&text), Some(held));
        assert_eq!(digest(&text.to_uppercase()), Some(held));
        for wrong in [
            &text[..62],
            &format!("{text}00"),
            &text.replace("4a", "+a"),
            &text.replace("4a", "é"),
        ] {
            assert_eq!(digest(wrong), None, "{wrong}");
        }
    }
}
