//! The built-in provider over real HTTP: its wire form, its pace, and every fault as a client sees it.

mod chat;
mod faults;
mod support;
