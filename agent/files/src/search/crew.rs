//! Several threads search the files of one walk. What they find is put back into
//! the walk's order, and no thread gets far ahead of the slowest, so that little
//! is held however much is found.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use grep_regex::RegexMatcher;

use super::Search;
use super::found::Found;
use super::page::Page;
use crate::walk::Budget;

/// Files that are handed over at once: each time, threads wake each other.
const BATCH: usize = 64;
/// Threads at most.
const CREW: usize = 8;

type Job = (usize, Vec<std::path::PathBuf>);
type Done = (usize, Vec<Found>);

/// How far the walk may be ahead of what was put in order.
struct Window {
    done: Mutex<usize>,
    moved: Condvar,
    width: usize,
    stopped: AtomicBool,
    /// The walk ended at a bound.
    cut: AtomicBool,
}

/// Searches beneath a directory.
pub(super) fn search(search: &Search, matcher: &RegexMatcher, budget: Budget, page: &mut Page) {
    let crew = thread::available_parallelism().map_or(1, usize::from).min(CREW);
    let window = Window {
        done: Mutex::new(0),
        moved: Condvar::new(),
        width: 2 * crew,
        stopped: AtomicBool::new(false),
        cut: AtomicBool::new(false),
    };
    let (jobs, queue) = sync_channel::<Job>(2 * crew);
    let queue = Mutex::new(queue);
    let (done, results) = channel::<Done>();
    thread::scope(|scope| {
        let (window, queue) = (&window, &queue);
        // The crew ends with the walk, when nobody holds the other end.
        scope.spawn(move || walk(search, budget, window, &jobs));
        for _ in 0..crew {
            let done = done.clone();
            scope.spawn(move || work(search, matcher, budget, window, queue, &done));
        }
        drop(done);
        put_in_order(&results, window, page);
        window.stop();
        // Whoever waits to hand something over is let go by the drop.
        drop(results);
    });
    if window.cut.load(Ordering::Relaxed) || budget.is_late() {
        page.cut();
    }
}

impl Window {
    /// Waits until batch `number` may be handed out; false: nobody wants it.
    fn admits(&self, number: usize) -> bool {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while number >= *done + self.width && !self.is_stopped() {
            done = self.moved.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
        !self.is_stopped()
    }

    /// The walk is woken when there is room for several batches, not for each.
    fn advance(&self, done: usize) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = done;
        if done.is_multiple_of(self.width / 2) {
            self.moved.notify_all();
        }
    }

    fn stop(&self) {
        let _done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        self.stopped.store(true, Ordering::Relaxed);
        self.moved.notify_all();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

fn walk(search: &Search, budget: Budget, window: &Window, jobs: &SyncSender<Job>) {
    let (mut number, mut batch) = (0, Vec::with_capacity(BATCH));
    let mut hand_over = |batch: &mut Vec<_>| {
        let sent = window.admits(number) && jobs.send((number, std::mem::take(batch))).is_ok();
        number += usize::from(sent);
        sent
    };
    let complete = search.files(budget, &mut |entry| {
        batch.push(entry.into_path());
        batch.len() < BATCH || hand_over(&mut batch)
    });
    if !batch.is_empty() {
        hand_over(&mut batch);
    }
    window.cut.fetch_or(!complete, Ordering::Relaxed);
}

fn work(
    search: &Search,
    matcher: &RegexMatcher,
    budget: Budget,
    window: &Window,
    queue: &Mutex<Receiver<Job>>,
    done: &Sender<Done>,
) {
    let mut searcher = search.searcher();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, files)) = job else { return };
        let mut found = Vec::with_capacity(files.len());
        for path in files {
            if window.is_stopped() {
                break;
            }
            let shown = search.place.shown(&path);
            found.extend(search.contents(&mut searcher, matcher, &path, shown, &budget));
        }
        if done.send((number, found)).is_err() {
            return;
        }
    }
}

/// Takes batches in their order until the page is full or there are no more.
fn put_in_order(results: &Receiver<Done>, window: &Window, page: &mut Page) {
    let mut early: BTreeMap<usize, Vec<Found>> = BTreeMap::new();
    let mut next = 0;
    while let Ok((number, found)) = results.recv() {
        early.insert(number, found);
        while let Some(batch) = early.remove(&next) {
            next += 1;
            for found in batch {
                if !page.add(found) {
                    return;
                }
            }
            window.advance(next);
        }
    }
}
