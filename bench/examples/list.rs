//! Prints a list of so many addresses and prefixes by chance, the same at each run: `list LINES`.

use std::env;
use std::io::{self, BufWriter};

use synward_bench::prefixes::write_list;

fn main() -> io::Result<()> {
    let lines = env::args().nth(1).ok_or_else(|| io::Error::other("usage: list LINES"))?;
    write_list(BufWriter::new(io::stdout().lock()), lines.parse().map_err(io::Error::other)?)
}
