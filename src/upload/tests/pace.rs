//! Limits that the target sets: illness, size, numbers, time.

use jiff::tz::TimeZone;

use super::*;
use crate::sandbox::Profile;
use crate::window::Window;

#[tokio::test]
async fn while_a_target_takes_nothing_no_record_is_given_up_and_it_goes_on_when_one_is_taken() {
    for faults in [
        // Reads answer, nothing is written.
        ["500-before@POST /", "500-before@PUT /"],
        // Maintenance, for everybody.
        ["maintenance@* /", "maintenance@GET /x"],
        // A login page, or whatever is there instead.
        ["blank-200@GET /", "502@POST /"],
    ] {
        let mut rig = Rig::start().await;
        // Two failures of its own would make a dead letter.
        rig.options.max_attempts = 2;
        rig.options.settle = Duration::from_millis(40);
        let directory = Directory::fetch(&rig.client).await.unwrap();
        rig.fault(&faults);
        let items = many(12).into_iter().map(ready).collect();
        let stop = Stop::new();
        let work = rig.run_with(&directory, items, &stop);
        let asked = rig.all_requests();
        let healed = async {
            // Several times as many as would make dead letters of a few.
            while rig.all_requests() < asked + 16 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            rig.fault(&[]);
        };
        let (summary, ()) = tokio::join!(work, healed);
        let summary = summary.unwrap();
        assert_eq!((summary.done, summary.dead), (12, 0), "{faults:?}: {}", rig.heard.all());
        assert!(rig.heard.count("paused") >= 2, "{faults:?}: {}", rig.heard.all());
        assert!(rig.heard.count("resumed the target works again") >= 1, "{faults:?}: {}", rig.heard.all());
        rig.is_sound(12);
    }
}

#[tokio::test]
async fn a_target_that_takes_nothing_for_too_long_ends_the_run_without_dead_letters() {
    let mut rig = Rig::start().await;
    rig.options.max_attempts = 2;
    rig.options.settle = Duration::from_millis(40);
    rig.options.patience = Duration::from_millis(1200);
    rig.fault(&["500-before@POST /"]);

    let result = rig.try_run(many(20).into_iter().map(ready).collect(), &Stop::new()).await;

    assert!(matches!(result, Err(UploadError::TakesNothing { .. })), "{result:?}");
    assert_eq!(rig.journal.counts().await.unwrap().dead, 0, "{}", rig.heard.all());
    rig.fault(&[]);
    assert_eq!(rig.run(many(20)).await.done, 20, "{}", rig.heard.all());
    rig.is_sound(20);
}

#[tokio::test]
async fn a_record_that_fails_every_time_among_others_that_do_not_is_a_dead_letter() {
    let mut rig = Rig::start().await;
    rig.options.max_attempts = 3;
    rig.options.settle = Duration::from_millis(40);
    // Its body is the only one above this size, and a server that dies of it says nothing of size.
    rig.fault(&["fail-above:60k@POST /conversations"]);
    let mut bad = conversation(3, "mark");
    bad.threads[0].body = "x".repeat(62_000);
    let mut records = many(30);
    records[3] = bad;

    let summary = rig.run(records).await;

    assert_eq!((summary.done, summary.dead), (29, 1), "{}", rig.heard.all());
    assert!(rig.heard.all().contains("outcome zendesk:3 Dead given up after 3 attempts"), "{}", rig.heard.all());
    assert_eq!(rig.heard.count("resumed"), 0, "{}", rig.heard.all());
}

#[tokio::test]
async fn the_last_records_of_a_run_are_not_given_up_for_a_target_that_takes_nothing() {
    for count in [1, 2] {
        let mut rig = Rig::start().await;
        rig.options.max_attempts = 2;
        rig.options.settle = Duration::from_millis(40);
        // Their customers are there; of the conversations nothing works.
        rig.run((10..10 + count).map(|n| conversation(n, &format!("customer{n}"))).collect()).await;
        let before = rig.requests("POST /conversations");
        rig.fault(&["500-before@POST /conversations"]);
        let healed = async {
            while rig.requests("POST /conversations") < before + 4 * count as u64 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            rig.fault(&[]);
        };
        let records = (20..20 + count).map(|n| conversation(n, &format!("customer{}", n - 10))).collect();
        let (summary, ()) = tokio::join!(rig.run(records), healed);
        assert_eq!((summary.done, summary.dead), (count as u64, 0), "{}", rig.heard.all());
        rig.is_sound(2 * count);
    }
}

#[tokio::test]
async fn a_record_that_fails_all_alone_is_given_up_after_some_time() {
    let mut rig = Rig::start().await;
    rig.options.max_attempts = 2;
    rig.options.settle = Duration::from_millis(40);
    rig.options.patience = Duration::from_secs(6);
    rig.fault(&["500-before@POST /conversations"]);
    let begun = std::time::Instant::now();

    let summary = rig.run(vec![conversation(1, "mark")]).await;

    assert_eq!((summary.done, summary.dead), (0, 1), "{}", rig.heard.all());
    assert!(begun.elapsed() >= Duration::from_secs(2), "{}", rig.heard.all());
}

#[tokio::test]
async fn a_big_request_that_is_cut_while_it_is_sent_teaches_a_smaller_budget_until_big_ones_succeed() {
    let mut rig = Rig::start().await;
    rig.options.concurrency = 1;
    rig.options.request_budget = 40_000_000;
    // More than the connection holds by itself, so that the cut comes while there is more to send.
    rig.fault(&["cut-body:200k@POST /conversations*1"]);
    let big = |n: usize, threads: usize, length: usize| {
        let mut one = conversation(n, "mark");
        one.threads = (0..threads)
            .map(|t| thread(t, ada(), (n * 60 + t) as i64, &format!("{t}{}", "x".repeat(length))))
            .collect();
        one
    };
    let learnt = async || rig.journal.fact("request-budget").await.unwrap().map(|fact| fact.parse::<u64>().unwrap());

    assert_eq!(rig.run(vec![big(1, 6, 4_000_000)]).await.done, 1, "{}", rig.heard.all());

    let length = 24_000_000;
    let budget = learnt().await.expect("something was learnt");
    assert!((length / 2..length / 2 + 10_000).contains(&budget), "{budget}");
    assert!(rig.requests("POST /conversations/{id}/threads") >= 3, "{}", rig.sandbox.state());
    rig.journal.set_fact("request-budget", "400000").await.unwrap();
    // What fits, and is not small.
    assert_eq!(rig.run((2..20).map(|n| big(n, 2, 150_000)).collect()).await.done, 18, "{}", rig.heard.all());
    assert_eq!(learnt().await, Some(500_000));
    rig.is_sound(19);
}

#[tokio::test]
async fn an_interrupted_run_does_not_wait_for_an_ill_target() {
    let mut rig = Rig::start().await;
    rig.options.settle = Duration::from_secs(60);
    rig.fault(&["500-before@POST /"]);
    let stop = Stop::new();
    let asks = async {
        while rig.heard.count("paused") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.ask();
    };
    let items = many(20).into_iter().map(ready).collect();
    let (summary, ()) = tokio::join!(rig.try_run(items, &stop), asks);
    assert!(summary.unwrap().is_interrupted);
}

#[tokio::test]
async fn outside_the_window_nothing_is_sent_and_the_first_wish_to_stop_ends_it() {
    let mut rig = Rig::start().await;
    // It opens in five hours, whatever time it is.
    let now = Timestamp::now().to_zoned(TimeZone::UTC).time().round(jiff::Unit::Minute).unwrap();
    let at = |hours| (now + jiff::Span::new().hours(hours)).strftime("%H:%M").to_string();
    rig.options.window = Window::parse(&format!("{}-{}", at(5), at(6)), || TimeZone::UTC).ok();
    let directory = Directory::fetch(&rig.client).await.unwrap();
    let before = rig.all_requests();
    let stop = Stop::new();
    let asks = async {
        while rig.heard.count("asleep") == 0 || rig.heard.count("progress") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.ask();
    };
    let items = many(5).into_iter().map(ready).collect();
    let (summary, ()) = tokio::join!(rig.run_with(&directory, items, &stop), asks);
    let summary = summary.unwrap();
    assert!(summary.is_interrupted && summary.requests == 0, "{summary:?}");
    assert_eq!((rig.all_requests(), rig.heard.count("asleep")), (before, 1));
}

#[tokio::test]
async fn a_size_budget_is_learnt_from_413_and_kept_for_the_next_run() {
    let mut rig = Rig::start().await;
    rig.options.concurrency = 1;
    rig.fault(&["413:300k@POST /"]);
    let big = |n: usize| {
        let mut one = conversation(n, "mark");
        one.threads =
            (0..8).map(|t| thread(t, ada(), (n * 60 + t) as i64, &format!("{t}{}", "x".repeat(50_000)))).collect();
        one
    };
    assert_eq!(rig.run(vec![big(1)]).await.done, 1, "{}", rig.heard.all());
    assert_eq!(rig.requests("POST /conversations"), 2, "refused once");
    let learnt = rig.journal.fact("request-budget").await.unwrap().unwrap();
    let (budget, refused) = learnt.split_once(" below ").unwrap();
    assert!((150_000..300_000).contains(&budget.parse::<u64>().unwrap()), "{learnt}");
    assert!((300_000..500_000).contains(&refused.parse::<u64>().unwrap()), "{learnt}");

    assert_eq!(rig.run(vec![big(2), big(3)]).await.done, 2, "{}", rig.heard.all());

    assert_eq!(rig.requests("POST /conversations"), 4, "never refused again");
    rig.is_sound(3);
}

#[tokio::test]
async fn a_small_request_that_is_cut_off_teaches_no_size() {
    let rig = Rig::start().await;
    rig.fault(&["refuse@POST /conversations*2"]);
    assert_eq!(rig.run(many(6)).await.done, 6, "{}", rig.heard.all());
    let learnt = rig.journal.fact("request-budget").await.unwrap();
    assert!(learnt.is_none_or(|bytes| bytes == "1000000"));
    rig.is_sound(6);
}

#[tokio::test]
async fn where_freescout_counts_by_itself_no_two_conversations_get_one_number() {
    let profile = || Profile { has_custom_numbers: true, ..Profile::default() };
    let options = || sandbox::Options { fixture: fixture(), is_strict: true, profile: profile(), ..Default::default() };
    let mut rig = Rig::start_with(options()).await;
    rig.options.concurrency = 8;
    rig.fault(&["delay:5ms@POST /conversations"]);
    // A conversation that is gone makes ids run ahead of numbers.
    assert_eq!(rig.run(vec![conversation(1000, "mark"), conversation(1001, "mark")]).await.done, 2);
    rig.journal = Journal::in_memory(&identity()).unwrap();
    let last = rig.sandbox.conversations().iter().map(|c| c["id"].as_u64().unwrap()).max().unwrap();
    rig.client.delete_conversation(last).await.unwrap();

    assert_eq!(rig.run(many(40)).await.done, 40, "{}", rig.heard.all());

    let conversations = rig.sandbox.conversations();
    let number = |c: &Value| c["number"].as_u64().unwrap();
    let mut numbers: Vec<_> = conversations.iter().map(number).collect();
    numbers.sort_unstable();
    let differ = conversations.iter().filter(|c| number(c) != c["id"].as_u64().unwrap()).count();
    assert!(differ >= 39, "{differ}");
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "{}", rig.heard.all());
    assert_eq!(rig.heard.count("finding target-custom-numbers"), 1);
    assert!(rig.journal.fact("custom-numbers").await.unwrap().is_some());
}

#[tokio::test]
async fn a_run_tells_how_far_it_is() {
    let mut rig = Rig::start().await;
    rig.options.total = Some(30);
    rig.options.concurrency = 2;
    rig.fault(&["delay:120ms@POST /conversations"]);
    assert_eq!(rig.run(many(30)).await.done, 30);
    let said = rig.heard.all();
    let progress = said.lines().find(|line| line.starts_with("progress")).unwrap();
    assert!(progress.contains(" of Some(30) ") && progress.contains("ends true"), "{progress}");
}
