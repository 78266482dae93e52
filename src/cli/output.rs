//! Writing to the terminal: a closed pipe is no error, colours only where somebody sees them.

use std::io::{IsTerminal, Write};

/// Writes a line to standard output. A reader who has had enough (`| head`) ends the program
/// quietly.
pub fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n"));
    if written.is_err() {
        std::process::exit(0);
    }
}

/// Writes a line to standard error.
pub fn problem(text: impl AsRef<str>) {
    // Where there is no standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// Whether standard output shows colours.
pub fn colors() -> bool {
    std::env::var_os("NO_COLOR").is_none() && std::io::stdout().is_terminal()
}

/// Whether standard error shows colours.
pub fn errors_have_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal()
}

/// Rows with columns as wide as their widest cell; the last column is not padded.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text += cell;
            let pad = (width + 2).saturating_sub(cell.chars().count());
            text.extend(std::iter::repeat_n(' ', pad));
        }
        line(text.trim_end());
    }
}
