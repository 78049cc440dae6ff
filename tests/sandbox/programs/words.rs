use std::io::{Read, Write};

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let mut counts = std::collections::HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_insert(0) += 1;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort();
    println!("{:?} {:?}", sorted, std::env::args().nth(1));
    std::fs::File::create("/out/r").unwrap().write_all(b"rust").unwrap();
    if std::env::var("PANIC").is_ok() {
        panic!("as asked");
    }
    std::process::exit(3)
}
