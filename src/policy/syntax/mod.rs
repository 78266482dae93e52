//! Text to tree and back.

pub mod tree;
/// stub
pub fn parse_literal(_: &str) -> Option<tree::Literal> {
    None
}
