//! kill -9 of each process at each step of a call, through a whole Cofferdam.
//!
//! Words used here: a **step** is how far a call has come, reached by something
//! that happens and not by waiting ([`step`]); a **victim** is the process that is
//! killed then ([`victim`]); the **aftermath** is what must hold whatever was
//! killed ([`aftermath`]): nothing lives that nobody holds, the next start finds
//! and cleans what is left, and both journals have an end for each intent.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod aftermath;
mod household;
mod step;
mod victim;

use cofferdam_tests::skip_unless_root;

use household::Household;
use step::Step;
use victim::Victim;

fn kill(test: &str, victim: Victim, step: Step) {
    if step == Step::WhileBuilding && skip_unless_root(test) {
        return;
    }
    let household = Household::start();
    let reached = step.reach(&household);
    victim.kill(&household, &reached);
    if victim.ends_everything() {
        aftermath::of_an_end(household, reached);
    } else {
        aftermath::of_a_loss(household, reached);
    }
}

macro_rules! kills {
    ($($test:ident: $victim:ident, $step:ident;)*) => {
        $(#[test] fn $test() { kill(stringify!($test), Victim::$victim, Step::$step); })*
    };
}

kills! {
    the_gateway_dies_before_a_cell_is_built: Gateway, BeforeBuilding;
    the_agent_dies_before_a_cell_is_built: Agent, BeforeBuilding;
    the_warden_dies_before_a_cell_is_built: Warden, BeforeBuilding;

    the_gateway_dies_while_a_cell_is_built: Gateway, WhileBuilding;
    the_agent_dies_while_a_cell_is_built: Agent, WhileBuilding;
    the_warden_dies_while_a_cell_is_built: Warden, WhileBuilding;
    the_builder_dies_while_a_cell_is_built: Pid1, WhileBuilding;

    the_gateway_dies_while_a_ready_cell_is_to_start_a_run: Gateway, Ready;
    the_agent_dies_while_a_ready_cell_is_to_start_a_run: Agent, Ready;
    the_warden_dies_while_a_ready_cell_is_to_start_a_run: Warden, Ready;
    pid_1_dies_while_it_is_to_start_a_run: Pid1, Ready;

    the_gateway_dies_while_a_run_goes_on: Gateway, Running;
    the_agent_dies_while_a_run_goes_on: Agent, Running;
    the_warden_dies_while_a_run_goes_on: Warden, Running;
    pid_1_dies_while_a_run_goes_on: Pid1, Running;
    the_first_process_of_a_run_dies: First, Running;

    the_gateway_dies_while_a_run_is_ended: Gateway, Ending;
    the_agent_dies_while_a_run_is_ended: Agent, Ending;
    the_warden_dies_while_a_run_is_ended: Warden, Ending;
    pid_1_dies_while_a_run_is_ended: Pid1, Ending;
    the_first_process_dies_while_its_run_is_ended: First, Ending;

    the_gateway_dies_while_a_cell_is_idle: Gateway, Idle;
    the_agent_dies_while_a_cell_is_idle: Agent, Idle;
    the_warden_dies_while_a_cell_is_idle: Warden, Idle;
    pid_1_dies_while_its_cell_is_idle: Pid1, Idle;

    the_gateway_dies_while_files_are_searched: Gateway, Searching;
    the_agent_dies_while_files_are_searched: Agent, Searching;
    the_warden_dies_while_files_are_searched: Warden, Searching;
    pid_1_dies_while_files_are_searched: Pid1, Searching;
    the_file_worker_dies_while_files_are_searched: First, Searching;

    the_gateway_dies_while_a_file_comes: Gateway, Uploading;
    the_agent_dies_while_a_file_comes: Agent, Uploading;
    the_warden_dies_while_a_file_comes: Warden, Uploading;
    pid_1_dies_while_a_file_comes: Pid1, Uploading;
    the_file_worker_dies_while_a_file_comes: First, Uploading;

    the_gateway_dies_while_a_file_is_sent: Gateway, Downloading;
    the_agent_dies_while_a_file_is_sent: Agent, Downloading;
    the_warden_dies_while_a_file_is_sent: Warden, Downloading;
    pid_1_dies_while_a_file_is_sent: Pid1, Downloading;
    the_file_worker_dies_while_a_file_is_sent: First, Downloading;
}
