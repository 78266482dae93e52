//! The rows of the routing bench: prompts, and how well several models answered them.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

/// Of a larger data set so many rows are looked at, evenly spread: enough for figures, and quick.
const MOST: usize = 800;

/// The rows of one data set.
pub fn rows(root: &Path, dataset: &str) -> Vec<Value> {
    let file = std::fs::File::open(root.join(dataset).with_extension("jsonl.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let every = text.lines().count().div_ceil(MOST);
    text.lines().step_by(every).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the user sent; the first turn of several.
pub fn prompt(row: &Value) -> &str {
    row["prompt"].as_str().or_else(|| row["turns"][0].as_str()).unwrap_or_default()
}
