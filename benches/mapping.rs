//! What mapping costs beside reading: the aim is under a quarter of the whole.
//!
//!     cargo bench --bench mapping -- ARCHIVE [MAPPING]
//!
//! Without ARCHIVE it reads the samples. Reading and converting run here one after the other on one OS thread, so that
//! each has its own time.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use foxferry::input::Input;
use foxferry::mapping::{Converted, Mapping};
use foxferry::source::{self, Order, Reading};

/// Small archives are read again until this much time has passed, so that the figures mean something.
const LEAST_TIME: Duration = Duration::from_secs(2);

#[allow(clippy::print_stdout, reason = "a bench prints what it measured")]
fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let samples = ["samples/zendesk", "samples/mbox", "samples/csv"].map(str::to_owned);
    let archives: &[String] = if given.is_empty() { &samples } else { &given[..1] };
    println!("{:40} {:>9} {:>12} {:>12} {:>8}", "archive", "records", "reading/µs", "mapping/µs", "share");
    for archive in archives {
        let scratch = std::env::temp_dir();
        let Ok(input) = Input::open(&[PathBuf::from(archive)], &scratch) else {
            println!("{archive:40} cannot be opened");
            continue;
        };
        let Ok(source) = input.head().map_err(drop).and_then(|head| source::detect(archive, &head).map_err(drop))
        else {
            println!("{archive:40} is not an archive");
            continue;
        };
        let name = given.get(1).map_or(source.name(), String::as_str);
        let mapping = Mapping::load(name).unwrap_or_else(|error| panic!("{}", error.report));
        let (mut reading, mut mapping_time) = (Duration::ZERO, Duration::ZERO);
        let (mut records, mut ready) = (0_u32, 0_u32);
        while reading + mapping_time < LEAST_TIME {
            let begun = Instant::now();
            let watch = |_| ControlFlow::Continue(());
            let how = Reading {
                shape: mapping.shape(),
                order: Order::Archive,
                index: None,
                scratch: &scratch,
                watch: &watch,
            };
            let mut reader = source.open(input.clone(), &how).unwrap_or_else(|error| panic!("{error}"));
            reading += begun.elapsed();
            let before = records;
            loop {
                let begun = Instant::now();
                let Some(record) = reader.next() else { break };
                reading += begun.elapsed();
                let Ok(record) = record else { continue };
                let begun = Instant::now();
                let converted = mapping.convert(record);
                mapping_time += begun.elapsed();
                records += 1;
                ready += u32::from(matches!(converted, Converted::Ready(_)));
            }
            if records == before {
                break;
            }
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(records.max(1));
        let share = 100.0 * mapping_time.as_secs_f64() / (reading + mapping_time).as_secs_f64();
        println!("{archive:40} {records:>9} {:>12.1} {:>12.1} {share:>7.1}%", each(reading), each(mapping_time));
        assert!(records == 0 || ready > 0, "nothing of `{archive}` was converted");
    }
}
