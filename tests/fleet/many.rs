//! A hundred hosts and one gateway.

use std::time::{Duration, Instant};

use cofferdam_tests::fleet::Fleet;
use serde_json::json;

/// Hosts.
const MANY: usize = 100;
/// What a gateway that is back may take to have all of its hosts.
const BACK: Duration = Duration::from_secs(5);

#[test]
fn a_hundred_hosts_that_dial_in_answer_and_are_back_soon_after_a_gateway_restarts() {
    let mut fleet = Fleet::prepare(MANY);
    fleet.start_gateway();
    let began = Instant::now();
    for number in 0..MANY {
        fleet.start_agent(number);
    }
    fleet.until_ready(MANY, Duration::from_secs(40));
    println!("{MANY} agents were started and reached after {:?}", began.elapsed());

    let asked = Instant::now();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let fleet = &fleet;
            scope.spawn(move || {
                for number in (part..MANY).step_by(4) {
                    let host = format!("host-{number}");
                    let answer = fleet.tool("get_system_info", &json!({ "host": host }));
                    let told = &answer["result"]["structuredContent"];
                    assert!(told["kernel"].as_str().is_some_and(|it| !it.is_empty()), "{answer:#}");
                }
            });
        }
    });
    println!("each of them answered a call within {:?} together", asked.elapsed());

    fleet.kill_gateway();
    // So long that their waits have grown to the longest.
    std::thread::sleep(Duration::from_secs(2));
    fleet.start_gateway();
    let back = fleet.until_ready(MANY, Duration::from_secs(20));
    println!("{MANY} hosts are back {back:?} after the gateway serves again");
    assert!(back <= BACK, "{back:?}");
}
