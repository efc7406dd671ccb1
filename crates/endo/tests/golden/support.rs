//! What the modules of the golden tests stand on: fixtures read key by key, and comparison within
//! tolerances.
//!
//! In: a file's name and a check of one case. Out: a panic that lists every case that differs,
//! holds a key that was not read, or stands in the list of those for later without being in the
//! file.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use endo::{Array, Setting};
use serde_json::{Map, Value};

/// What a check finds wrong with a case.
pub type Outcome = Result<(), String>;

/// An object of a fixture, which knows what was read of it.
pub struct Object<'a> {
    path: String,
    fields: &'a Map<String, Value>,
    read: &'a RefCell<BTreeSet<String>>,
}

/// Checks every case of a file but those in `later`.
pub fn check(file: &str, later: &[&str], check: impl Fn(&Object<'_>) -> Outcome) {
    let document = open(file);
    let cases = document["cases"].as_array().expect("`cases` is a list");
    assert!(!cases.is_empty(), "{file} has no cases");
    let mut failures = Vec::new();
    let mut names = BTreeSet::new();
    for case in cases {
        let name = case["name"].as_str().expect("cases have names");
        assert!(names.insert(name), "{file}: two cases are called {name}");
        if later.contains(&name) {
            continue;
        }
        let read = RefCell::new(BTreeSet::from(["/name".to_string()]));
        let object = Object {
            path: String::new(),
            fields: case.as_object().expect("a case is an object"),
            read: &read,
        };
        let outcome = check(&object).and_then(|()| unread(case, "", &read.borrow()));
        if let Err(failure) = outcome {
            failures.push(format!("{name}: {failure}"));
        }
    }
    failures.extend(
        later
            .iter()
            .filter(|name| !names.contains(*name))
            .map(|name| format!("{name}: for later, but not in the file")),
    );
    let shown = failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n  ");
    assert!(
        failures.is_empty(),
        "{file}: {} of {} cases fail:\n  {shown}",
        failures.len(),
        cases.len()
    );
}

/// Every case of a file with its name, for other checks than [`check`]: what they leave unread does
/// not matter.
#[allow(dead_code)]
pub fn each_case(file: &str, mut visit: impl FnMut(&str, &Object<'_>)) {
    let document = open(file);
    for case in document["cases"].as_array().expect("`cases` is a list") {
        let (name, read) = (case["name"].as_str().expect("cases have names"), RefCell::default());
        visit(
            name,
            &Object {
                path: String::new(),
                fields: case.as_object().expect("a case is an object"),
                read: &read,
            },
        );
    }
}

/// A fixture, whole.
pub fn open(file: &str) -> Value {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = std::env::var_os("ENDO_GOLDEN").map_or(default, PathBuf::from);
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Fails when a key was not read: then the check has not understood the case.
fn unread(value: &Value, path: &str, read: &BTreeSet<String>) -> Outcome {
    let Some(fields) = value.as_object() else { return Ok(()) };
    for (key, value) in fields {
        let path = format!("{path}/{key}");
        let below = format!("{path}/");
        if !read.contains(&path) {
            return Err(format!("the key {path} was not read"));
        }
        if read.iter().any(|other| other.starts_with(&below)) {
            unread(value, &path, read)?;
        }
    }
    Ok(())
}

impl<'a> Object<'a> {
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(format!("{}/{key}", self.path));
        self.fields.get(key)
    }

    fn required(&self, key: &str) -> &'a Value {
        self.value(key).unwrap_or_else(|| panic!("{} has no key {key}", self.path))
    }

    /// Whether there is such a key; it does not count as read.
    pub fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// The keys; they do not count as read.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.fields.keys().map(String::as_str)
    }

    /// An object in it, whose keys have to be read one by one.
    pub fn object(&self, key: &str) -> Object<'a> {
        let path = format!("{}/{key}", self.path);
        let fields =
            self.required(key).as_object().unwrap_or_else(|| panic!("{path} is an object"));
        if !fields.is_empty() {
            // Read in part until its keys are.
            self.read.borrow_mut().insert(format!("{path}/"));
        }
        Object { path, fields, read: self.read }
    }

    /// A text.
    pub fn text(&self, key: &str) -> &'a str {
        self.required(key).as_str().unwrap_or_else(|| panic!("{}/{key} is a text", self.path))
    }

    /// A number, which may be written as `"nan"` or `"inf"`.
    pub fn number(&self, key: &str) -> f64 {
        number(self.required(key))
    }

    /// A number, or `None` where there is `null` or no such key.
    pub fn optional_number(&self, key: &str) -> Option<f64> {
        self.value(key).filter(|value| !value.is_null()).map(number)
    }

    /// A list of whole numbers.
    pub fn sizes(&self, key: &str) -> Vec<usize> {
        sizes(self.required(key))
    }

    /// An array of `f32`.
    pub fn array(&self, key: &str) -> Array {
        array(self.required(key)).unwrap_or_else(|| panic!("{}/{key} is an array", self.path))
    }

    /// Whether there is such a key with a value other than `null`; it counts as read.
    pub fn is_given(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| !value.is_null())
    }

    /// The objects of a list, whose keys have to be read one by one.
    pub fn objects(&self, key: &str) -> Vec<Object<'a>> {
        let path = format!("{}/{key}", self.path);
        let list = self.required(key).as_array().unwrap_or_else(|| panic!("{path} is a list"));
        let fields = list
            .iter()
            .map(|item| item.as_object().unwrap_or_else(|| panic!("{path} holds objects")));
        fields.map(|fields| Object { path: format!("{path}[]"), fields, read: self.read }).collect()
    }

    /// Arrays by name, with `None` for `null`: `[{"name": .., "value": ..}, ..]`.
    pub fn named_arrays(&self, key: &str) -> Vec<(&'a str, Option<Array>)> {
        self.objects(key)
            .iter()
            .map(|entry| (entry.text("name"), array(entry.required("value"))))
            .collect()
    }

    /// The arrays of a list.
    pub fn arrays(&self, key: &str) -> Vec<Array> {
        let list = self
            .required(key)
            .as_array()
            .unwrap_or_else(|| panic!("{}/{key} is a list", self.path));
        list.iter()
            .map(|value| array(value).unwrap_or_else(|| panic!("{}/{key} holds arrays", self.path)))
            .collect()
    }

    /// The arrays of a list, with `None` for `null`.
    pub fn optional_arrays(&self, key: &str) -> Vec<Option<Array>> {
        let list = self
            .required(key)
            .as_array()
            .unwrap_or_else(|| panic!("{}/{key} is a list", self.path));
        list.iter().map(array).collect()
    }

    /// A truth value, or `None` where there is `null` or no such key.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.read(key, Value::as_bool)
    }

    /// What `read` makes of a value, or `None` where there is `null` or no such key.
    pub fn read<T>(&self, key: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value(key).filter(|value| !value.is_null())?;
        Some(read(value).unwrap_or_else(|| panic!("{}/{key} cannot be {value}", self.path)))
    }

    /// The lists of arrays in a list.
    pub fn array_lists(&self, key: &str) -> Vec<Vec<Array>> {
        let list = self
            .required(key)
            .as_array()
            .unwrap_or_else(|| panic!("{}/{key} is a list", self.path));
        let item = |value: &Value| {
            array(value).unwrap_or_else(|| panic!("{}/{key} holds lists of arrays", self.path))
        };
        list.iter()
            .map(|items| items.as_array().into_iter().flatten().map(item).collect())
            .collect()
    }

    /// The texts of a list.
    pub fn texts(&self, key: &str) -> Vec<&'a str> {
        let list = self.value(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        list.iter()
            .map(|value| {
                value.as_str().unwrap_or_else(|| panic!("{}/{key} holds texts", self.path))
            })
            .collect()
    }

    /// The numbers of a list.
    pub fn numbers(&self, key: &str) -> Vec<f64> {
        let list = self
            .required(key)
            .as_array()
            .unwrap_or_else(|| panic!("{}/{key} is a list", self.path));
        list.iter().map(number).collect()
    }

    /// The lists of texts in a list; none where there is no such key.
    pub fn text_lists(&self, key: &str) -> Vec<Vec<&'a str>> {
        let list = self.value(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let texts = |value: &'a Value| {
            value
                .as_array()
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .filter_map(Value::as_str)
                .collect()
        };
        list.iter().map(texts).collect()
    }

    /// The lists of whole numbers in a list.
    pub fn lists(&self, key: &str) -> Vec<Vec<usize>> {
        let list = self
            .required(key)
            .as_array()
            .unwrap_or_else(|| panic!("{}/{key} is a list", self.path));
        list.iter().map(sizes).collect()
    }

    /// The text that makes the value of a `class` with the arguments in `config`:
    /// `leaky_relu(negative_slope=0.1)`.
    pub fn named(&self) -> String {
        let config = self.object("config");
        let value = |key: &str| match config.required(key) {
            Value::Object(_) => config.object(key).named(),
            value => option(value),
        };
        let options: Vec<String> =
            config.keys().map(|key| format!("{key}={}", value(key))).collect();
        format!("{}({})", self.text("class"), options.join(", "))
    }
}

/// An option as text: lists keep their brackets, words lose their quotes.
fn option(value: &Value) -> String {
    match value {
        Value::String(word) => word.write(),
        Value::Null => "none".to_string(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(option).collect::<Vec<_>>().join(", "))
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{text} is a number")),
        None => value.as_f64().unwrap_or_else(|| panic!("{value} is a number")),
    }
}

fn sizes(value: &Value) -> Vec<usize> {
    let list = value.as_array().unwrap_or_else(|| panic!("{value} is a list"));
    list.iter().map(|size| size.as_u64().expect("sizes are whole numbers") as usize).collect()
}

/// An array of `f32`, as fixtures write it.
pub fn array(value: &Value) -> Option<Array> {
    let data = value.get("data")?.as_array()?;
    let values: Vec<f32> = data.iter().map(|value| number(value) as f32).collect();
    Some(Array::new(sizes(value.get("shape")?), values).expect("as many values as the shape holds"))
}

/// How far a number may be from the expected one: `absolute + relative * |expected|`.
#[derive(Clone, Copy)]
pub struct Tolerance {
    pub absolute: f64,
    pub relative: f64,
}

impl Tolerance {
    /// The tolerance of the fixtures' README for one function of these inputs.
    pub fn of(inputs: &[&Array]) -> Self {
        let finite = |value: &f64| value.is_finite();
        let largest = inputs
            .iter()
            .flat_map(|input| input.to_vec::<f64>())
            .filter(finite)
            .fold(1.0, |a: f64, b| a.max(b.abs()));
        Self { absolute: 1e-5 * largest, relative: 1e-4 }
    }

    /// Whether a number is near enough; infinities and NaN have to be the same.
    pub fn allows(self, got: f64, expected: f64) -> bool {
        let same = got == expected || (got.is_nan() && expected.is_nan());
        same || (expected.is_finite()
            && (got - expected).abs() <= self.absolute + self.relative * expected.abs())
    }
}

/// Compares arrays: shapes, then every number.
pub fn compare(what: &str, got: &Array, expected: &Array, tolerance: Tolerance) -> Outcome {
    if got.shape() != expected.shape() {
        return Err(format!("{what} has shape {}, expected {}", got.shape(), expected.shape()));
    }
    for index in 0..got.len() {
        let (got, expected) = (got.get(index), expected.get(index));
        if !tolerance.allows(got, expected) {
            return Err(format!("{what}[{index}] is {got}, expected {expected}"));
        }
    }
    Ok(())
}

/// Compares numbers.
pub fn compare_numbers(what: &str, got: f64, expected: f64, tolerance: Tolerance) -> Outcome {
    if tolerance.allows(got, expected) {
        Ok(())
    } else {
        Err(format!("{what} is {got}, expected {expected}"))
    }
}

#[test]
fn a_key_that_was_not_read_is_found() {
    let case = serde_json::json!({
        "name": "a",
        "x": {"shape": [], "data": [1]},
        "config": {"axis": 1, "rate": 2}
    });
    let read = RefCell::new(BTreeSet::from(["/name".to_string()]));
    let object = Object { path: String::new(), fields: case.as_object().unwrap(), read: &read };
    object.array("x");
    let config = object.object("config");
    assert_eq!(config.number("axis"), 1.0);
    assert_eq!(
        unread(&case, "", &read.borrow()),
        Err("the key /config/rate was not read".to_string())
    );
    config.number("rate");
    assert_eq!(unread(&case, "", &read.borrow()), Ok(()));
}

#[test]
fn nan_equals_nan_alone() {
    let tolerance = Tolerance { absolute: 0.1, relative: 0.0 };
    assert!(tolerance.allows(f64::NAN, f64::NAN) && tolerance.allows(f64::INFINITY, f64::INFINITY));
    assert!(
        !tolerance.allows(f64::NAN, 1.0)
            && !tolerance.allows(1.0, f64::NAN)
            && !tolerance.allows(1.0, f64::INFINITY)
    );
    assert!(tolerance.allows(1.05, 1.0) && !tolerance.allows(1.2, 1.0));
}
