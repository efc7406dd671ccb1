//! C as a runner of plans: the suite that every runner has to pass.

#[path = "../../endo/tests/support/runners.rs"]
mod suite;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use endo::plan::{Plan, Tuning, Untuned};
use endo::prelude::*;
use endo::trace::{Failure, Pool, Prepared, Runner};
use endo_c::{COptions, source};
use suite::{Bounds, check};

/// How many plans have been prepared.
static PREPARED: AtomicUsize = AtomicUsize::new(0);

/// Compiles each plan to a program, which is started for each run.
struct CompiledC;

/// A compiled program; it reads inputs and variables from a file, and writes what it returns,
/// outputs and variables to another.
struct Compiled {
    plan: Plan,
    variables: Vec<Variable>,
    folder: PathBuf,
}

fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float",
        DType::F64 => "double",
        DType::I32 => "int32_t",
        _ => "unsigned char",
    }
}

impl Runner for CompiledC {
    fn tuning(&self) -> &dyn Tuning {
        &Untuned
    }

    fn prepare(&self, plan: Plan, variables: &[Variable]) -> Result<Box<dyn Prepared>> {
        let named = |(index, variable): (usize, &Variable)| {
            Variable::new(format!("v{index}"), variable.value())
        };
        let named: Vec<Variable> = variables.iter().enumerate().map(named).collect();
        let checks: Vec<String> = (0..64).map(|index| format!("value {index}")).collect();
        let mut text = source::of_plan(&plan, &named, &checks, "net", &COptions::new())?.text;
        text.push_str("#include <stdio.h>\n\nint main(int count, char **paths) {\n");
        text.push_str("    FILE *from = fopen(paths[1], \"rb\"), *to = fopen(paths[2], \"wb\");\n");
        let array = |name: &str, dtype: DType, length: usize| {
            format!("    static {} {name}[{}];\n", c_type(dtype), length.max(1))
        };
        let io = |function: &str, file: &str, name: &str, dtype: DType, length: usize| {
            let of = c_type(dtype);
            format!("    all += {function}({name}, sizeof({of}), {length}, {file});\n")
        };
        let inputs: Vec<(String, DType, usize)> = (0..plan.inputs.len())
            .map(|index| (index, &plan.inputs[index]))
            .map(|(index, x)| (format!("in{index}"), x.dtype, x.shape.len()))
            .collect();
        let outputs: Vec<(String, DType, usize)> = (0..plan.outputs.len())
            .map(|index| (index, &plan.outputs[index].signature))
            .map(|(index, y)| (format!("out{index}"), y.dtype, y.shape.len()))
            .collect();
        let kept: Vec<(String, DType, usize)> = (0..variables.len())
            .map(|index| (format!("net_v{index}"), &variables[index]))
            .filter(|(name, _)| text.contains(&format!("{name}[")))
            .map(|(name, variable)| (name, variable.dtype(), variable.shape().len()))
            .collect();
        for (name, dtype, length) in inputs.iter().chain(&outputs) {
            text.push_str(&array(name, *dtype, *length));
        }
        text.push_str("    size_t all = 0;\n    int32_t failed;\n");
        for (name, dtype, length) in inputs.iter().chain(&kept) {
            text.push_str(&io("fread", "from", name, *dtype, *length));
        }
        let arguments: Vec<&str> =
            inputs.iter().chain(&outputs).map(|(name, ..)| name.as_str()).collect();
        let _ = writeln!(text, "    failed = net_step({});", arguments.join(", "));
        text.push_str("    all += fwrite(&failed, sizeof failed, 1, to);\n");
        for (name, dtype, length) in outputs.iter().chain(&kept) {
            text.push_str(&io("fwrite", "to", name, *dtype, *length));
        }
        text.push_str("    fclose(from);\n    fclose(to);\n    return count + (int)all < 0;\n}\n");
        assert_eq!(kept.len(), variables.len(), "every variable is in the file");
        let number = PREPARED.fetch_add(1, Ordering::Relaxed);
        let folder = format!("endo-c-runner-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("net.c"), text).unwrap();
        let flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-std=c99", "-ffp-contract=off"];
        let compiled = Command::new("cc")
            .args(flags)
            .args(["net.c", "-o", "net", "-lm"])
            .current_dir(&folder)
            .output()
            .expect("`cc` is needed to compile C: install gcc or clang");
        let said = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "{}: {said}", folder.display());
        Ok(Box::new(Compiled { plan, variables: variables.to_vec(), folder }))
    }
}

impl Prepared for Compiled {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn run(
        &self,
        inputs: &[&Array],
        outputs: &mut [Array],
        _: &Pool,
    ) -> std::result::Result<(), Failure> {
        let mut bytes: Vec<u8> = inputs.iter().flat_map(|x| x.bytes().to_vec()).collect();
        bytes.extend(self.variables.iter().flat_map(|variable| variable.value().bytes().to_vec()));
        std::fs::write(self.folder.join("from"), bytes).unwrap();
        let run = Command::new(self.folder.join("net"))
            .args(["from", "to"])
            .current_dir(&self.folder)
            .status()
            .unwrap();
        assert!(run.success(), "{}", self.folder.display());
        let bytes = std::fs::read(self.folder.join("to")).unwrap();
        let (failed, mut bytes) = bytes.split_at(4);
        let failed = i32::from_le_bytes(failed.try_into().unwrap());
        let mut take = |like: &Array| {
            let (own, rest) = bytes.split_at(like.bytes().len());
            bytes = rest;
            Array::from_bytes(like.shape(), like.dtype(), own)
        };
        if failed != 0 {
            return Err(Failure::NotFinite(failed as usize - 1));
        }
        for output in outputs {
            *output = take(output);
        }
        for variable in &self.variables {
            variable.set(&take(&variable.value()))?;
        }
        Ok(())
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[test]
fn c_does_what_every_runner_has_to() {
    check(&CompiledC, 1, Bounds { single: 1e-5, double: 1e-13 });
}
