//! How fast it is. Run it alone, in a release build:
//! `cargo test --release -p cofferdam-authority --test authority measured -- --ignored
//! --nocapture`.

use std::time::Instant;

use crate::office::{Guest, Office};

const HOSTS: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: run it alone, in a release build"]
async fn enrolments_and_renewals_a_second_each_on_a_connection_of_its_own() {
    let office = Office::open(|_| {}).await;
    let guests: Vec<_> =
        (0..HOSTS).map(|it| Guest::with(&office.invite(&format!("web-{it}")))).collect();
    let began = Instant::now();
    for guest in &guests {
        office.credentials(guest).await.unwrap();
    }
    println!("enrolments a second: {:.0}", f64::from(HOSTS) / began.elapsed().as_secs_f64());
    let began = Instant::now();
    for mut guest in guests {
        office.renew(&mut guest).await.unwrap();
    }
    println!("renewals a second: {:.0}", f64::from(HOSTS) / began.elapsed().as_secs_f64());
}
