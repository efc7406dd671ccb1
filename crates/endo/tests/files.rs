//! Files: written by many at once, damaged, of names of any letters, of the format before, and
//! wanted by two runs.

#[path = "files/claimed.rs"]
mod claimed;
#[path = "files/damaged.rs"]
mod damaged;
#[path = "support/folder.rs"]
mod folder;
#[path = "files/format_1.rs"]
mod format_1;
#[path = "files/names.rs"]
mod names;
#[path = "files/support.rs"]
mod support;
#[path = "files/together.rs"]
mod together;
