//! Inputs: people and places, six columns of about ninety bytes a line, some of them quoted.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

/// The columns of [`csv`].
pub(crate) const CITY: usize = 4;

const NAMES: [&str; 8] =
    ["Almeida", "Brandt", "Castellanos", "Dvořák", "Eriksson", "Fitzgerald", "Grimaldi", "Haddad"];
const FIRST_NAMES: [&str; 7] = ["Ana", "Benedikt", "Charlotte", "Dimitri", "Elif", "Francisco", "Greta"];
const STREETS: [&str; 5] =
    ["Rua das Flores", "Calle de Alcala", "Hauptstrasse", "Boulevard Voltaire", "Kungsgatan"];
const CITIES: [&str; 6] = ["Lisbon", "Madrid", "Heidelberg", "Paris", "Stockholm", "Edinburgh"];

/// A CSV of this many lines. Two lines in seven have a comma in the name, and one in a hundred has quotes in
/// the street.
pub(crate) fn csv(path: &Path, lines: u64) -> io::Result<()> {
    write(path, |out| {
        writeln!(out, "id,name,email,street,city,since")?;
        (1..=lines).try_for_each(|n| {
            let Person { name, first, street, number, city, mail, date } = &Person::new(n);
            match n % 7 {
                0 | 3 => write!(out, "{n},\"{name}, {first}\",")?,
                _ => write!(out, "{n},{first} {name},")?,
            }
            write!(out, "{mail}@example.com,")?;
            match n % 100 {
                50 => write!(out, "\"{street} {number} \"\"b\"\"\",")?,
                _ => write!(out, "{street} {number},")?,
            }
            writeln!(out, "{city},{date}")
        })
    })
}

/// The same people as JSON objects.
pub(crate) fn jsonl(path: &Path, lines: u64) -> io::Result<()> {
    write(path, |out| {
        (1..=lines).try_for_each(|n| {
            let Person { name, first, street, number, city, mail, date } = &Person::new(n);
            writeln!(
                out,
                r#"{{"id":{n},"name":"{first} {name}","email":"{mail}@example.com","street":"{street} {number}","city":"{city}","since":"{date}"}}"#
            )
        })
    })
}

/// A text of URLs on a thousand hosts.
pub(crate) fn urls(path: &Path, lines: u64) -> io::Result<()> {
    write(path, |out| {
        (1..=lines).try_for_each(|n| {
            let Person { name, first, number, .. } = &Person::new(n);
            writeln!(
                out,
                "https://www.shop-{}.example.com/{first}/products/{number}?ref={n}&name={}",
                n * 7919 % 1000,
                name.len()
            )
        })
    })
}

/// A compressed copy.
pub(crate) fn gzip(from: &Path, to: &Path) -> io::Result<()> {
    write(to, |out| {
        let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(6));
        io::copy(&mut File::open(from)?, &mut encoder)?;
        encoder.finish().map(drop)
    })
}

/// Whether two files have the same content.
pub(crate) fn same(a: &Path, b: &Path) -> io::Result<bool> {
    let (a, b) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        (&a).take(1 << 20).read_to_end(&mut left)?;
        (&b).take(1 << 20).read_to_end(&mut right)?;
        if left != right || left.is_empty() {
            return Ok(left == right);
        }
    }
}

fn write(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    content(&mut out)?;
    out.flush()
}

struct Person {
    name: &'static str,
    first: &'static str,
    street: &'static str,
    number: u64,
    city: &'static str,
    mail: String,
    date: String,
}

impl Person {
    fn new(n: u64) -> Self {
        // Knuth's multiplicative hash: the same lines in every run, without a pattern.
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let pick = |words: &[&'static str], salt: u64| {
            words[usize::try_from(mixed / salt % words.len() as u64).unwrap()]
        };
        Self {
            name: pick(&NAMES, 1),
            first: pick(&FIRST_NAMES, 8),
            street: pick(&STREETS, 64),
            number: mixed / 512 % 300 + 1,
            city: pick(&CITIES, 1024),
            mail: format!("user.{n}"),
            date: format!(
                "20{:02}-{:02}-{:02}",
                mixed / 4096 % 26,
                mixed / 65_536 % 12 + 1,
                mixed / 1_048_576 % 28 + 1
            ),
        }
    }
}
