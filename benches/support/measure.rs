//! CPU time of this thread, in rounds in which contenders take turns.

use cpu_time::ThreadTime;

/// Something to be measured.
pub struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut() + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &'static str, run: impl FnMut() + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// Microseconds of this thread's CPU.
pub fn micros(work: impl FnOnce()) -> f64 {
    let start = ThreadTime::now();
    work();
    start.elapsed().as_secs_f64() * 1e6
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Lets the contenders take turns for `rounds` rounds after one that does not count, and prints for each the median time
/// of one of the `units` of a round, and the median of its ratios to the contender at `base`.
pub fn compare(
    title: &str,
    unit: &str,
    bytes_per_unit: f64,
    units: usize,
    base: usize,
    mut contenders: Vec<Contender<'_>>,
) {
    const ROUNDS: usize = 11;
    let mut times: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let time = micros(&mut contender.run) / units as f64;
            if round > 0 {
                times.push(time);
            }
        }
    }
    println!("\n{title}");
    println!("  {:<34} {:>12} {:>9} {:>9}", "", format!("µs/{unit}"), "MB/s", "ratio");
    for (index, contender) in contenders.iter().enumerate() {
        let time = median(times[index].clone());
        let ratio = match index <= base {
            true => String::new(),
            false => {
                format!("{:.2}", median(times[index].iter().zip(&times[base]).map(|(own, of)| own / of).collect()))
            }
        };
        println!("  {:<34} {time:>12.3} {:>9.0} {ratio:>9}", contender.name, bytes_per_unit / time);
    }
}
