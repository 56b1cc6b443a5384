//! Public data sets from a server on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use crate::support::Place;

/// A server that answers every request with the same bytes.
fn server(body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .count();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body));
        }
    });
    url
}

#[test]
fn what_is_not_the_published_file_is_refused_and_nothing_is_left() {
    let place = Place::new();
    // As long as the smallest file of the set would be, but the first one is larger.
    let url = server(&[7; 4542]);
    let arguments = ["data", "fetch", "mnist", "-o", "sets", "--mirror", &url];
    place
        .run(&arguments)
        .refused(&["train-images-idx3-ubyte.gz", &url, "4542 of 9912422 bytes"]);
    // A file of the right length has the wrong content.
    place.write("sets/mnist/train-labels-idx1-ubyte.gz.part", [0; 28_881]);
    place.write(
        "sets/mnist/train-images-idx3-ubyte.gz.part",
        vec![0; 9_912_422],
    );
    place
        .run(&arguments)
        .refused(&["train-images-idx3-ubyte.gz"]);
    assert!(!place.path("sets/mnist/train-images-idx3-ubyte.gz").exists());
}

#[test]
fn the_list_says_what_there_is() {
    let place = Place::new();
    let list = |place: &Place| place.run(&["data", "list", "-o", "sets", "--json"]).json();
    let there = |name: &str| {
        let sets = list(&place);
        let set = sets
            .as_array()
            .unwrap()
            .iter()
            .find(|set| set["name"] == name)
            .unwrap();
        set["there"].as_bool().unwrap()
    };
    assert!(!there("cifar100") && !there("mnist"));
    for name in [
        "train.bin",
        "test.bin",
        "fine_label_names.txt",
        "coarse_label_names.txt",
    ] {
        place.write(&format!("sets/cifar-100-binary/{name}"), "");
    }
    assert!(there("cifar100") && !there("mnist"));
    let fetched = place.run(&["data", "fetch", "cifar100", "-o", "sets"]);
    assert_eq!(fetched.code, 0, "{}", fetched.stderr);
    assert!(fetched.stdout.contains("cifar-100-binary") && fetched.stderr.contains("already"));
    let table = place.run(&["data", "list"]).stdout;
    assert!(
        table.contains("fashion-mnist") && table.contains("170,052,171"),
        "{table}"
    );
}

#[test]
fn unknown_sets_are_a_wrong_command_line_that_lists_the_known_ones() {
    let outcome = Place::new().run(&["data", "fetch", "cifar1000"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("fashion-mnist"),
        "{}",
        outcome.stderr
    );
}
