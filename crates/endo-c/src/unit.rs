//! A C file in the making: constants, functions for the steps of a plan, and their calls.
//!
//! In: plans. Out: for each a list of calls; and the text of all functions, each once, however many
//! steps do the same.

use std::collections::{BTreeMap, HashMap};

use endo::DType;
use endo::plan::{Action, Plan, PlanStep};
use endo::{Error, ErrorKind, Result};

use super::file_functions::Helpers;
use super::memory::{Layout, Memory, Place};
use super::text::{Names, c_type, short};
use super::{guard, kernels, loops, product, scan, text};

/// A C file in the making.
pub struct Unit {
    /// What all names of the file begin with.
    pub prefix: String,
    /// The functions of all steps.
    pub helpers: Helpers,
    functions: Vec<String>,
    known: HashMap<String, String>,
    /// The text of constants by the name of their array.
    constants: BTreeMap<usize, String>,
    /// The names of constants by their type and bytes.
    constant_names: HashMap<(DType, Vec<u8>), String>,
    /// How each variable is called.
    pub variables: Vec<String>,
    /// What the names of the file have after the prefix.
    names: Names,
    /// The arrays that lie in a second file, if there is one.
    pub second: Option<SecondFile>,
}

/// A plan that is being written, and where its values lie.
pub struct Writing<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Where its values lie.
    pub layout: Layout,
    /// How each input is called where steps are called.
    pub inputs: &'a [String],
    /// The same for each output.
    pub outputs: &'a [String],
    /// The number of loops over steps that it is in.
    pub depth: usize,
}

/// The pointers that a function takes.
#[derive(Default)]
pub struct Parameters(Vec<(Place, bool)>);

impl Parameters {
    /// What a pointer to a place is called in the function.
    pub fn pointer(&mut self, place: Place, written: bool) -> String {
        let position = self.0.iter().position(|(known, _)| *known == place);
        let position = position.unwrap_or_else(|| {
            self.0.push((place, false));
            self.0.len() - 1
        });
        self.0[position].1 |= written;
        name(position)
    }

    /// Those that a body mentions, with their names.
    fn used(&self, body: &str) -> Vec<(String, Place, bool)> {
        let named = self
            .0
            .iter()
            .enumerate()
            .map(|(position, &(place, written))| (name(position), place, written));
        named.filter(|(name, ..)| text::mentions(body, name)).collect()
    }
}

/// What the pointer at a position is called.
fn name(position: usize) -> String {
    match position {
        0..8 => char::from(b'a' + position as u8).to_string(),
        _ => format!("a{position}"),
    }
}

impl Unit {
    /// An empty file.
    pub fn new(prefix: &str, second: Option<SecondFile>) -> Self {
        let mut names = Names::default();
        let own = ["memory", "step", "predict", "weights", "load", "all"].map(str::to_string);
        own.into_iter().chain(Helpers::names()).for_each(|name| drop(names.unique(&name)));
        Self {
            prefix: prefix.to_string(),
            names,
            helpers: Helpers::new(prefix),
            functions: Vec::new(),
            known: HashMap::new(),
            constants: BTreeMap::new(),
            constant_names: HashMap::new(),
            variables: Vec::new(),
            second,
        }
    }

    /// A name that nothing else in the file has.
    pub fn name(&mut self, text: &str) -> String {
        format!("{}_{}", self.prefix, self.names.unique(text))
    }

    /// The lines that a plan is: the calls of all steps, and of what copies the outputs.
    ///
    /// # Errors
    /// If a step is one that cannot be written in C.
    pub fn lines(&mut self, writing: &Writing<'_>) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for step in &writing.plan.steps {
            lines.extend(self.step(writing, step)?);
        }
        for (index, output) in writing.plan.outputs.iter().enumerate() {
            let (count, dtype) = (output.signature.shape.len(), output.signature.dtype);
            if count == 0 {
                continue;
            }
            let mut parameters = Parameters::default();
            let from = parameters.pointer(writing.place(output.buffer), false);
            let place = Place { memory: Memory::Output(index), start: 0, dtype };
            let to = parameters.pointer(place, true);
            let offset =
                if output.offset == 0 { String::new() } else { format!("{} + ", output.offset) };
            let body = format!(
                "    for (long i = 0; i < {count}; i++) {{\n        \
                 {to}[i] = {from}[{offset}i];\n    }}\n"
            );
            lines.push(self.call(writing, "copy", &parameters, &body));
        }
        Ok(lines)
    }

    /// The calls that a step of a plan is, a line each.
    ///
    /// # Errors
    /// If the step is one that cannot be written in C.
    fn step(&mut self, writing: &Writing<'_>, step: &PlanStep) -> Result<Vec<String>> {
        let scope = writing.plan.scopes.get(step.scope as usize).map_or("", String::as_str);
        let written = match &step.action {
            Action::Loop(body) => loops::call(self, writing, body),
            Action::Product(product) => product::calls(self, writing, product),
            Action::Call(call) => kernels::call(self, writing, call),
            Action::Guard(guard) => guard::lines(self, writing, guard),
            Action::Update(_) => Err(cannot("an update with a product inside")),
            Action::Windowed(_) => Err(cannot("windows that are made a part at a time")),
            Action::Scan(scan) => scan::lines(self, writing, scan),
        };
        let mut lines = written.map_err(|error| error.in_layer(scope))?;
        if let (Some(first), false) = (lines.first_mut(), scope.is_empty()) {
            first.push_str(&format!(" /* {} */", text::comment(scope)));
        }
        Ok(lines)
    }

    /// The call of a function with these pointers and this body, which is written if none is known
    /// that does the same.
    pub fn call(
        &mut self,
        writing: &Writing<'_>,
        kind: &str,
        parameters: &Parameters,
        body: &str,
    ) -> String {
        let used = parameters.used(body);
        let declared = used.iter().map(|(name, place, written)| {
            let constant = if *written { "" } else { "const " };
            format!("{constant}{} *restrict {name}", c_type(place.dtype))
        });
        let declared = declared.collect::<Vec<_>>().join(", ");
        let key = format!("({declared}) {{\n{body}}}\n");
        let name = match self.known.get(&key) {
            Some(name) => name.clone(),
            None => {
                let name = self.name(&format!("{kind}_{}", self.functions.len()));
                self.functions.push(format!("\nstatic void {name}{key}"));
                self.known.insert(key, name.clone());
                name
            }
        };
        let pointers: Vec<String> =
            used.iter().map(|(_, place, _)| self.address(writing, *place, 0)).collect();
        format!("{name}({});", pointers.join(", "))
    }

    /// A pointer to an element from a place on, where steps are called.
    pub fn address(&mut self, writing: &Writing<'_>, place: Place, offset: usize) -> String {
        let array = match place.memory {
            Memory::Work(dtype) => format!("work->{}", short(dtype)),
            Memory::Input(index) => writing.inputs[index].clone(),
            Memory::Variable(index) => self.variables[index].clone(),
            Memory::Output(index) => writing.outputs[index].clone(),
            Memory::Constant(buffer) => self.constant(writing, buffer),
        };
        match place.start + offset {
            0 => array,
            start => format!("{array} + {start}"),
        }
    }

    /// The name of the array that a constant of a plan is.
    fn constant(&mut self, writing: &Writing<'_>, buffer: usize) -> String {
        let bytes = constant_bytes(writing.plan, buffer);
        let dtype = writing.plan.buffers[buffer].dtype;
        let count = self.constants.len();
        let key = (dtype, bytes.to_vec());
        if let Some(name) = self.constant_names.get(&key) {
            return name.clone();
        }
        if bytes.len() > SMALL_CONSTANT
            && let Some(second) = &mut self.second
        {
            let name = second.add(dtype, bytes);
            self.constant_names.insert(key, name.clone());
            return name;
        }
        let name = self.name(&format!("constant_{count}"));
        let mut text = String::new();
        text::array(&mut text, "static const ", dtype, &name, bytes);
        self.constants.insert(count, text);
        self.constant_names.insert(key, name.clone());
        name
    }

    /// The text of constants, helpers and functions.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for constant in self.constants.values() {
            text.push('\n');
            text.push_str(constant);
        }
        text.push_str(&self.helpers.text());
        self.functions.iter().for_each(|function| text.push_str(function));
        text
    }
}

/// Arrays in a second file, which lie behind a pointer.
pub struct SecondFile {
    /// The name of the pointer.
    pub pointer: String,
    /// The arrays one after the other.
    pub bytes: Vec<u8>,
}

/// Constants up to this many bytes are never in a second file.
const SMALL_CONSTANT: usize = 4096;

/// Where arrays of a second file start, in multiples of bytes.
const LINE: usize = 64;

impl SecondFile {
    /// Adds an array, and returns what it is called.
    pub fn add(&mut self, dtype: DType, bytes: &[u8]) -> String {
        let start = self.bytes.len();
        if dtype.bytes() == 1 {
            self.bytes.extend(bytes);
        } else {
            // Little-endian, whatever wrote it.
            for element in bytes.chunks_exact(dtype.bytes()) {
                let swapped = element.iter().rev();
                if cfg!(target_endian = "big") {
                    self.bytes.extend(swapped);
                } else {
                    self.bytes.extend(element);
                }
            }
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(LINE), 0);
        format!("((const {} *)({} + {start}))", c_type(dtype), self.pointer)
    }
}

impl Writing<'_> {
    /// Where a buffer starts.
    pub fn place(&self, buffer: usize) -> Place {
        self.layout.places[buffer]
    }

    /// The type of a buffer.
    pub fn dtype(&self, buffer: usize) -> DType {
        self.plan.buffers[buffer].dtype
    }

    /// The single number that an element of a constant is, as text.
    pub fn literal(&self, buffer: usize, offset: usize) -> Option<String> {
        let place = self.place(buffer);
        let Memory::Constant(_) = place.memory else { return None };
        let size = place.dtype.bytes();
        let bytes = constant_bytes(self.plan, buffer).get(offset * size..(offset + 1) * size)?;
        let number = text::elements(place.dtype, bytes).pop()?;
        Some(if number.starts_with('-') { format!("({number})") } else { number })
    }
}

/// The bytes of a constant of a plan.
fn constant_bytes(plan: &Plan, buffer: usize) -> &[u8] {
    let known = &plan.buffers[buffer];
    match known.place {
        endo::plan::BufferPlace::Constant(start) => &plan.constants.from(start)[..known.bytes()],
        _ => &[],
    }
}

/// The error for what cannot be written in C.
pub fn cannot(what: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{what} cannot be written as C"))
        .help("compute it outside the model, or compose it of other operations")
}
