//! Where operations go: the trace at hand of this thread, or one for each operation, whose values
//! are computed at once.
//!
//! In: operations from Python. Out: tensors. A frame is a trace being made: of a model's step, of a
//! function, or of a gradient tape; the innermost one takes what is computed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use endo::graph::Trace;
use endo::trace::{Context, Session};
use endo::{Array, Error, ErrorKind, Site, Variable};
use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::errors::raised;
use crate::phrases::in_python;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The traces being made, each with the number of its entry; none where those before are put
    /// aside.
    static FRAMES: RefCell<Vec<(u64, Option<Frame>)>> = const { RefCell::new(Vec::new()) };
    static SESSIONS: RefCell<HashMap<u64, OpenSession>> = RefCell::new(HashMap::new());
    /// A Python exception on its way out through code of the library.
    static PENDING: RefCell<Option<PyErr>> = const { RefCell::new(None) };
    static COUNTER: RefCell<Option<Variable>> = const { RefCell::new(None) };
    static SEED: Cell<u64> = const { Cell::new(0) };
    static MAILBOX: Arc<Mailbox> = Arc::default();
}

/// A trace that is kept open, with the frame by which it is found again.
struct OpenSession {
    session: Box<Session>,
    frame: Frame,
    /// How many tapes use it, and how many of them record.
    tapes: usize,
    recording: usize,
    /// Its entry on the stack, while a tape records.
    on_stack: Option<OnStack>,
}

/// A trace being made.
#[derive(Clone)]
pub struct Frame {
    /// A number that no other trace of this process has.
    pub number: u64,
    place: Place,
    trace: Rc<Trace>,
    /// The nodes of arrays that came in as constants, by the arrays' own numbers.
    pub constants: Rc<RefCell<HashMap<u64, u32>>>,
}

#[derive(Clone, Copy)]
enum Place {
    /// A session of this thread.
    Session(*mut Session),
    /// The context of a closure that the library is calling.
    Closure(*mut Context),
}

impl Frame {
    fn new(place: Place, trace: Rc<Trace>) -> Self {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { number, place, trace, constants: Rc::default() }
    }

    /// Whether values are known while it is traced.
    pub fn is_eager(&self) -> bool {
        self.trace.is_eager()
    }

    /// What a node's value is, where values are known.
    pub fn value(&self, id: endo::graph::NodeId) -> Option<Array> {
        self.trace.value(id)
    }

    /// Numbers as a constant of the trace.
    pub fn constant(&self, array: impl Into<Array>) -> endo::Tensor {
        self.trace.constant(array.into(), Site::caller())
    }

    /// The value of a node, if there is such a node.
    pub fn tensor(&self, node: u32) -> Option<endo::Tensor> {
        self.trace.tensor(node)
    }

    /// The context, for one call of the library: it is asked for anew after Python has run, which
    /// may have used it meanwhile.
    #[allow(clippy::mut_from_ref)]
    pub fn context(&self) -> &mut Context {
        match self.place {
            // SAFETY: a session lives in its box until no frame of it is on the stack, where this
            // one is. It belongs to this thread, and nobody holds its context while Python runs.
            Place::Session(session) => unsafe { (*session).context() },
            // SAFETY: the closure's context is borrowed mutably for as long as the frame is on the
            // stack, by the call that put it there and waits for Python.
            Place::Closure(context) => unsafe { &mut *context },
        }
    }

    /// Raises what went wrong, and gives variables their new values.
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        let settled = match self.place {
            // SAFETY: as above; the context's borrow has ended.
            Place::Session(session) => unsafe { (*session).settle() },
            Place::Closure(_) => self.trace.error().map_or_else(|| Ok(Vec::new()), Err),
        };
        match take_pending() {
            Some(error) => Err(error),
            None => warn(py, settled.map_err(|error| raised(py, error))?),
        }
    }
}

/// Python's warnings, one for each line.
pub fn warn(py: Python<'_>, lines: Vec<String>) -> PyResult<()> {
    for line in lines {
        let message =
            std::ffi::CString::new(in_python(line).replace('\0', " ")).expect("no zero bytes");
        PyErr::warn(py, &py.get_type::<pyo3::exceptions::PyUserWarning>(), &message, 1)?;
    }
    Ok(())
}

/// A frame on the stack, which leaves it when this is dropped: in whatever order, as tapes are
/// closed in any.
pub struct OnStack(u64);

impl Drop for OnStack {
    fn drop(&mut self) {
        // Where the thread ends, its stack may be gone.
        _ = FRAMES.try_with(|frames| frames.borrow_mut().retain(|(entry, _)| *entry != self.0));
    }
}

fn push(frame: Frame) -> OnStack {
    push_entry(Some(frame))
}

fn push_entry(frame: Option<Frame>) -> OnStack {
    let entry = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
    FRAMES.with_borrow_mut(|frames| frames.push((entry, frame)));
    OnStack(entry)
}

/// The innermost trace.
pub fn innermost() -> Option<Frame> {
    FRAMES.with_borrow(|frames| frames.last().and_then(|(_, frame)| frame.clone()))
}

/// Makes a closure's context the innermost trace, until what is returned is dropped.
pub fn enter(cx: &mut Context) -> (OnStack, Frame) {
    let trace = cx.trace().clone();
    let place = Place::Closure(cx);
    let known = FRAMES.with_borrow(|frames| {
        let mut frames = frames.iter().rev().filter_map(|(_, frame)| frame.as_ref());
        frames.find(|frame| Rc::ptr_eq(&frame.trace, &trace)).cloned()
    });
    let frame = match known {
        Some(known) => Frame { place, ..known },
        None => Frame::new(place, trace),
    };
    (push(frame.clone()), frame)
}

/// By what tensors of a trace are known in Python, without the trace.
#[derive(Clone)]
pub struct FrameKey {
    number: u64,
    constants: Rc<RefCell<HashMap<u64, u32>>>,
}

impl Frame {
    /// By what its tensors are known.
    pub fn key(&self) -> FrameKey {
        FrameKey { number: self.number, constants: self.constants.clone() }
    }
}

/// As [`enter`], where Python's tensors of the same trace are known by a key.
pub fn enter_as(key: &FrameKey, cx: &mut Context) -> (OnStack, Frame) {
    let (trace, place) = (cx.trace().clone(), Place::Closure(cx));
    let FrameKey { number, constants } = key.clone();
    let frame = Frame { number, place, trace, constants };
    (push(frame.clone()), frame)
}

/// The counter of the random numbers that are drawn outside models and functions.
pub fn counter() -> Variable {
    COUNTER.with_borrow_mut(|counter| counter.get_or_insert_with(|| new_counter(0)).clone())
}

fn new_counter(seed: u64) -> Variable {
    let word = (seed ^ (seed >> 32)) as u32 as i32;
    Variable::new("random_counter", Array::from([word, 0])).frozen()
}

/// The seed that `set_random_seed` was given.
pub fn seed() -> u64 {
    SEED.get()
}

/// Sets the seed of what is drawn and made from here on.
#[pyfunction]
fn set_random_seed(seed: u64) {
    SEED.set(seed);
    COUNTER.with_borrow_mut(|counter| *counter = Some(new_counter(seed)));
}

/// Runs an operation in the innermost trace, or at once in one of its own.
pub fn in_context<R>(py: Python<'_>, f: impl FnOnce(&Frame) -> PyResult<R>) -> PyResult<R> {
    end_abandoned();
    if let Some(frame) = innermost() {
        return run_in(py, frame, f);
    }
    let mut session = Box::new(Session::new(false, counter()));
    let trace = session.context().trace().clone();
    let frame = Frame::new(Place::Session(&mut *session), trace);
    let on_stack = push(frame.clone());
    let result = run(py, &frame, f);
    drop(on_stack);
    let result = result?;
    warn(py, session.end().map_err(|error| raised(py, error))?)?;
    Ok(result)
}

/// Runs in a trace, which lives until that is done, even if its last tape is let go of meanwhile.
fn run_in<R>(py: Python<'_>, frame: Frame, f: impl FnOnce(&Frame) -> PyResult<R>) -> PyResult<R> {
    let number = frame.number;
    let on_stack = push(frame.clone());
    let result = run(py, &frame, f);
    drop(on_stack);
    end_unused(number);
    result
}

fn run<R>(py: Python<'_>, frame: &Frame, f: impl FnOnce(&Frame) -> PyResult<R>) -> PyResult<R> {
    if !frame.is_eager() {
        _ = frame.trace.set_line(users_line(py));
    }
    let result = f(frame);
    let settled = frame.settle(py);
    match (result, settled) {
        (Ok(result), Ok(())) => Ok(result),
        (Err(error), Ok(())) | (_, Err(error)) => Err(error),
    }
}

/// Keeps an exception that Python raised within code of the library, which goes on to its end.
pub fn keep_pending(py: Python<'_>, cx: &Context, error: PyErr) {
    let text = format!("a Python exception was raised: {}", error.value(py));
    cx.trace().record(Error::new(ErrorKind::Usage, text));
    PENDING.with_borrow_mut(|pending| {
        pending.get_or_insert(error);
    });
}

/// The exception on its way out.
pub fn take_pending() -> Option<PyErr> {
    PENDING.with_borrow_mut(Option::take)
}

/// The exception for what the library returned: Python's own, if it began with one.
pub fn failure(py: Python<'_>, error: Error) -> PyErr {
    take_pending().unwrap_or_else(|| raised(py, error))
}

/// Has a tape record in the trace at hand, or in a new one: the number of the trace. Layers are
/// not in training there unless a call says so, as in Keras.
pub fn open_session() -> u64 {
    end_abandoned();
    if let Some(frame) = innermost() {
        SESSIONS.with_borrow_mut(|sessions| {
            if let Some(open) = sessions.get_mut(&frame.number) {
                open.tapes += 1;
                open.recording += 1;
            }
        });
        return frame.number;
    }
    let mut session = Box::new(Session::new(false, counter()));
    let trace = session.context().trace().clone();
    let frame = Frame::new(Place::Session(&mut *session), trace);
    let number = frame.number;
    let on_stack = Some(push(frame.clone()));
    let open = OpenSession { session, frame, tapes: 1, recording: 1, on_stack };
    SESSIONS.with_borrow_mut(|sessions| sessions.insert(number, open));
    number
}

/// Ends what a tape records; its trace leaves the stack with the last tape that does.
pub fn stop_recording(number: u64) {
    _ = SESSIONS.try_with(|sessions| {
        let mut sessions = sessions.borrow_mut();
        let Some(open) = sessions.get_mut(&number) else { return };
        open.recording -= 1;
        if open.recording == 0 {
            open.on_stack = None;
        }
    });
    end_unused(number);
}

/// Lets go of a tape's trace, which ends with its last tape.
pub fn release_session(number: u64) {
    _ = SESSIONS.try_with(|sessions| {
        if let Some(open) = sessions.borrow_mut().get_mut(&number) {
            open.tapes -= 1;
        }
    });
    end_unused(number);
}

/// Ends a trace that no tape has any more and nothing runs in.
fn end_unused(number: u64) {
    let ended = SESSIONS.try_with(|sessions| {
        let mut sessions = sessions.borrow_mut();
        let open = sessions.get(&number)?;
        let is_used = open.tapes > 0
            || FRAMES.with_borrow(|frames| {
                frames.iter().flat_map(|(_, frame)| frame).any(|frame| frame.number == number)
            });
        if is_used { None } else { sessions.remove(&number) }
    });
    if let Ok(Some(OpenSession { session, .. })) = ended {
        drop(session.end());
    }
}

/// The traces of a thread's tapes that other threads have let go of, each with whether its tape
/// recorded. It ends with the thread, as the traces do.
#[derive(Default)]
pub struct Mailbox {
    is_full: AtomicBool,
    traces: Mutex<Vec<(u64, bool)>>,
}

impl Mailbox {
    /// That of the thread at hand; none while the thread ends.
    pub fn here() -> Option<Arc<Self>> {
        MAILBOX.try_with(Arc::clone).ok()
    }

    /// Lets go of a tape's trace from another thread than its own, which sees to it later.
    pub fn leave(&self, number: u64, is_recording: bool) {
        self.traces().push((number, is_recording));
        self.is_full.store(true, Ordering::Release);
    }

    fn traces(&self) -> MutexGuard<'_, Vec<(u64, bool)>> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<(u64, bool)> {
        if !self.is_full.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        mem::take(&mut *self.traces())
    }
}

fn end_abandoned() {
    for (number, is_recording) in MAILBOX.with(|mailbox| mailbox.take()) {
        if is_recording {
            stop_recording(number);
        }
        release_session(number);
    }
}

/// Runs in the trace of a number: the one at hand, or that of a tape that is kept open.
pub fn in_session<R>(
    py: Python<'_>,
    number: u64,
    f: impl FnOnce(&Frame) -> PyResult<R>,
) -> Option<PyResult<R>> {
    let known =
        || SESSIONS.with_borrow(|sessions| sessions.get(&number).map(|open| open.frame.clone()));
    let frame = innermost().filter(|frame| frame.number == number).or_else(known)?;
    Some(run_in(py, frame, f))
}

/// Puts the traces of this thread aside until what is returned is dropped: what is computed
/// meanwhile has its value at once.
pub fn put_aside() -> OnStack {
    push_entry(None)
}

/// Calls a function as if nothing were traced: what it computes has its value at once.
#[pyfunction]
fn outside<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let _aside = put_aside();
    function.call0()
}

/// Whether something is being traced to a plan on this thread.
#[pyfunction]
fn is_tracing() -> bool {
    innermost().is_some_and(|frame| !frame.is_eager())
}

/// Whether something is being traced on this thread: to a plan, or by a tape.
#[pyfunction]
fn is_open() -> bool {
    innermost().is_some()
}

/// The seed that was set last; 0 unless one was.
#[pyfunction]
fn random_seed() -> u64 {
    seed()
}

/// Whether the layers being applied behave as in training.
#[pyfunction]
fn is_training() -> bool {
    innermost().is_some_and(|frame| frame.context().training())
}

/// The path of the layer being applied.
#[pyfunction]
fn current_path() -> String {
    innermost().map_or_else(String::new, |frame| frame.trace.scope())
}

/// The line of the user's program that is being run: the innermost one outside this package.
fn users_line(py: Python<'_>) -> Option<Site> {
    let find = || -> PyResult<Option<Site>> {
        let mut frame = py.import("sys")?.call_method0("_getframe")?;
        loop {
            let code = frame.getattr("f_code")?;
            let file: String = code.getattr("co_filename")?.extract()?;
            if !is_ours(py, &file)? {
                let line: u32 = frame.getattr("f_lineno")?.extract()?;
                return Ok(Some(Site::new(interned(&file), line)));
            }
            frame = frame.getattr("f_back")?;
            if frame.is_none() {
                return Ok(None);
            }
        }
    };
    find().ok().flatten()
}

/// Whether a file is of this package.
fn is_ours(py: Python<'_>, file: &str) -> PyResult<bool> {
    static FOLDER: pyo3::sync::PyOnceLock<String> = pyo3::sync::PyOnceLock::new();
    let folder = FOLDER.get_or_try_init(py, || {
        let file: String = py.import("endo")?.getattr("__file__")?.extract()?;
        Ok::<_, PyErr>(file.trim_end_matches("__init__.py").to_string())
    })?;
    Ok(file.starts_with(folder.as_str()))
}

/// A text that lives as long as the process: names of files and classes, of which there are few.
pub fn interned(text: &str) -> &'static str {
    static KNOWN: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.iter().find(|known| **known == text) {
        return found;
    }
    let leaked: &'static str = Box::leak(text.to_string().into_boxed_str());
    known.push(leaked);
    leaked
}

/// Adds the functions of this file to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(set_random_seed, module)?)?;
    module.add_function(wrap_pyfunction!(outside, module)?)?;
    module.add_function(wrap_pyfunction!(is_tracing, module)?)?;
    module.add_function(wrap_pyfunction!(is_open, module)?)?;
    module.add_function(wrap_pyfunction!(random_seed, module)?)?;
    module.add_function(wrap_pyfunction!(is_training, module)?)?;
    module.add_function(wrap_pyfunction!(current_path, module)?)
}

/// Keeps an exception that Python raised outside of traces, in data or a callback.
pub fn keep_outside(error: PyErr) {
    PENDING.with_borrow_mut(|pending| {
        pending.get_or_insert(error);
    });
}
