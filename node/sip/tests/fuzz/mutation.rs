//! Changes of messages: what lines, noise and hostile peers do to them.

use super::dice::Dice;

/// Pieces of grammar, to put where they do not belong.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b" ",
    b"\t",
    b":",
    b";",
    b";;",
    b",",
    b"\"",
    b"\\",
    b"<",
    b">",
    b"@",
    b"?",
    b"=",
    b"[",
    b"]",
    b"/",
    b"%",
    b"%00",
    b"%zz",
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"SIP/2.0",
    b";tag=",
    b";branch=",
    b";rport=",
    b";received=",
    b"Content-Length: 1\r\n",
    b"Content-Length: 99999\r\n",
    b"Content-Length: -1\r\n",
    b"l: 0\r\n",
    b"To: <sip:x@y>\r\n",
    b"v: SIP/2.0/UDP a\r\n",
    b"CSeq : 1 INVITE\r\n",
    b"Call-ID\t: x\r\n",
    b"99999999999",
    b"4294967296",
    b"*",
    b"sip:",
    b"[::",
    b"[:::1]",
    b"INVITE",
    b"\xe2\x82\xac",
];

/// Changes bytes in one to six places.
pub(crate) fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..=dice.below(6) {
        once(dice, bytes, others);
    }
}

fn once(dice: &mut Dice, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = dice.below(bytes.len() + 1);
    let end = (at + dice.below(24)).min(bytes.len());
    match dice.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => bytes.truncate(at),
        2 => {
            bytes.drain(at..end);
        }
        3 => {
            let copy = bytes[at..end].to_vec();
            let times = 1 + dice.below(40);
            let to = dice.below(bytes.len() + 1);
            bytes.splice(to..to, copy.repeat(times));
        }
        4 => line(dice, bytes),
        5 => {
            // The head of one message, the tail of another.
            if let Some(other) = others.get(dice.below(others.len())) {
                let from = dice.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
        6 => {
            let noise: Vec<u8> = (0..dice.below(8)).map(|_| dice.draw().to_le_bytes()[0]).collect();
            bytes.splice(at..end, noise);
        }
        _ => {
            let piece = dice.pick(PIECES);
            let end = if dice.once_in(3) { end } else { at };
            bytes.splice(at..end, piece.iter().copied());
        }
    }
    bytes.truncate(MAX_BYTES);
}

/// A line is repeated, moved or lost.
fn line(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, two) = (dice.below(lines.len()), dice.below(lines.len()));
    if lines.is_empty() {
        return;
    }
    match dice.below(3) {
        0 => lines.swap(one, two),
        1 => lines.insert(two, lines[one].clone()),
        _ => {
            lines.remove(one);
        }
    }
    *bytes = lines.concat();
}

/// As long as a datagram can be.
const MAX_BYTES: usize = 65_535;
