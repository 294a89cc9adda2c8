//! A session of `psql`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Between the answers.
const END: &str = "-- end of the answer --";

pub(crate) struct Psql {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Psql {
    /// With the arguments that say where to.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = process.expect("there is psql");
        let input = process.stdin.take().expect("a standard input");
        let output = BufReader::new(process.stdout.take().expect("a standard output"));
        Psql { process, input, output }
    }

    /// Runs statements, and returns the lines that they select.
    #[track_caller]
    pub(crate) fn run(&mut self, sql: &str) -> Vec<String> {
        writeln!(self.input, "{sql};\n\\echo '{END}'").expect("the session takes statements");
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("the session answers");
            assert!(read > 0, "psql has ended: {sql}");
            match line.trim_end() {
                END => return lines,
                "" => {}
                line => lines.push(line.to_owned()),
            }
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
