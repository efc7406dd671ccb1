//! Where in the model a trace is: names, paths and calls of the layers being applied.
//!
//! In: the layers that `apply` enters and leaves. Out: a unique path for each layer, and how often
//! it was called before.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::spelling::snake_case;

/// A layer being applied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// The address and type of the layer's struct: its identity while a trace lasts.
    pub identity: (usize, &'static str),
    /// The names of the layers around it and its own, joined by `/`.
    pub path: String,
    /// How many times it was applied before in this trace.
    pub call: usize,
    /// The scope of the trace before it was entered.
    pub outside: u32,
}

/// The layers being applied, and the names given in this trace.
#[derive(Default)]
pub(crate) struct Scopes {
    frames: Vec<Frame>,
    /// Names by parent path and identity.
    names: FxHashMap<(String, (usize, &'static str)), String>,
    /// How many layers of a parent have asked for a name, or 1 for a numbered name.
    taken: FxHashMap<(String, String), usize>,
    calls: FxHashMap<String, usize>,
}

impl Scopes {
    /// The path for a layer of this identity and kind, and the number of its earlier calls. A name
    /// given by the user that another layer beside it has already is returned as the error.
    pub fn enter(
        &mut self,
        identity: (usize, &'static str),
        kind: &str,
        given: Option<&str>,
    ) -> Result<(String, usize), String> {
        let parent = self.path().to_string();
        let key = (parent.clone(), identity);
        let mut clash = None;
        let name = match self.names.get(&key) {
            Some(name) => name.clone(),
            None => {
                let base = given.map_or_else(|| snake_case(kind), str::to_string);
                let name = self.free_name(&parent, &base);
                if name != base && given.is_some() {
                    clash = Some(base);
                }
                self.names.insert(key, name.clone());
                name
            }
        };
        let path = if parent.is_empty() { name } else { format!("{parent}/{name}") };
        let calls = self.calls.entry(path.clone()).or_default();
        *calls += 1;
        let call = *calls - 1;
        match clash {
            Some(name) => Err(name),
            None => Ok((path, call)),
        }
    }

    /// `base`, or `base_1`, `base_2`, .. where a layer beside this one has the name already, given
    /// or numbered.
    fn free_name(&mut self, parent: &str, base: &str) -> String {
        loop {
            let count = self.taken.entry((parent.to_string(), base.to_string())).or_default();
            *count += 1;
            if *count == 1 {
                return base.to_string();
            }
            let numbered = format!("{base}_{}", *count - 1);
            if let Entry::Vacant(free) = self.taken.entry((parent.to_string(), numbered.clone())) {
                free.insert(1);
                return numbered;
            }
        }
    }

    /// How often each layer was called so far.
    pub fn calls(&self) -> FxHashMap<String, usize> {
        self.calls.clone()
    }

    /// Takes layers to have been called as often as this says: each step of a loop calls them as
    /// the first one does.
    pub fn set_calls(&mut self, calls: FxHashMap<String, usize>) {
        self.calls = calls;
    }

    pub fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    pub fn pop(&mut self) -> Option<Frame> {
        self.frames.pop()
    }

    /// The innermost layer being applied.
    pub fn innermost(&self) -> Option<&Frame> {
        self.frames.last()
    }

    /// The layers being applied that are this one, outer before inner: more than one where a layer
    /// is applied inside itself.
    pub fn of(&self, identity: (usize, &'static str)) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(move |frame| frame.identity == identity)
    }

    /// How many layers are being applied, one in the other.
    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The path of the innermost layer; empty outside all layers.
    pub fn path(&self) -> &str {
        self.frames.last().map_or("", |frame| &frame.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_beside_each_other_are_numbered_and_calls_counted() {
        let mut scopes = Scopes::default();
        assert_eq!(scopes.enter((1, "Dense"), "Dense", None), Ok(("dense".into(), 0)));
        assert_eq!(scopes.enter((2, "Dense"), "Dense", None), Ok(("dense_1".into(), 0)));
        assert_eq!(scopes.enter((1, "Dense"), "Dense", None), Ok(("dense".into(), 1)));
        assert_eq!(scopes.enter((3, "Dense"), "Dense", Some("out")), Ok(("out".into(), 0)));
        assert_eq!(scopes.enter((4, "Dense"), "Dense", Some("out")), Err("out".into()));
    }

    #[test]
    fn a_given_name_and_a_numbered_one_are_never_the_same() {
        let mut scopes = Scopes::default();
        assert_eq!(scopes.enter((1, "Dense"), "Dense", Some("dense_1")), Ok(("dense_1".into(), 0)));
        assert_eq!(scopes.enter((2, "Dense"), "Dense", None), Ok(("dense".into(), 0)));
        assert_eq!(scopes.enter((3, "Dense"), "Dense", None), Ok(("dense_2".into(), 0)));
        assert_eq!(scopes.enter((4, "Dense"), "Dense", Some("dense_2")), Err("dense_2".into()));
    }
}
