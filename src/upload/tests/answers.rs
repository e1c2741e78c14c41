//! What FreeScout answers: refusals, pauses, an end that comes early.

use super::*;

#[tokio::test]
async fn a_refusal_makes_a_dead_letter_with_freescouts_words() {
    let rig = Rig::start().await;
    let mut one = conversation(1, "mark");
    one.customer.emails = vec!["nobody".to_owned()];
    one.customer.key = "nobody".to_owned();

    let summary = rig.run(vec![one, conversation(2, "eve")]).await;

    assert_eq!((summary.done, summary.dead), (1, 1), "{}", rig.heard.all());
    assert!(rig.heard.all().contains("outcome zendesk:1 Dead"), "{}", rig.heard.all());
    let again = rig.run(vec![conversation(2, "eve")]).await;
    assert_eq!(again.requests, 0);
}

#[tokio::test]
async fn everybody_waits_for_as_long_as_the_server_asks() {
    let rig = Rig::start().await;
    rig.fault(&["429:1@POST /conversations*1"]);
    let begun = std::time::Instant::now();

    let summary = rig.run(many(10)).await;

    assert_eq!(summary.done, 10, "{}", rig.heard.all());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert!(rig.heard.count("paused 1000") >= 1, "{}", rig.heard.all());
    rig.is_sound(10);
}

#[tokio::test]
async fn a_wrong_key_ends_the_run() {
    let rig = Rig::start().await;
    let directory = Directory::fetch(&rig.client).await.unwrap();
    let wrong = Client::new(Target::new(rig.sandbox.url(), "wrong".into()).unwrap()).unwrap();
    let (sender, receiver) = mpsc::channel(8);
    sender.send(ready(conversation(1, "mark"))).await.unwrap();
    drop(sender);
    let heard: Arc<dyn Reporter> = Arc::new(Heard::default());

    let result = run(receiver, &wrong, &directory, &rig.journal, &rig.options, heard, &Stop::new()).await;

    assert!(matches!(result, Err(UploadError::TurnedAway { .. })), "{result:?}");
    assert_eq!(rig.run(many(3)).await.done, 3, "the next run goes on");
}

#[tokio::test]
async fn a_target_that_stays_away_ends_the_run_and_the_next_goes_on() {
    let mut rig = Rig::start().await;
    rig.options.patience = Duration::from_millis(300);
    let directory = Directory::fetch(&rig.client).await.unwrap();
    rig.fault(&["refuse@* /"]);

    let result = rig.run_with(&directory, many(3).into_iter().map(ready).collect(), &Stop::new()).await;

    assert!(matches!(result, Err(UploadError::TargetGone { .. })), "{result:?}");
    rig.fault(&[]);
    assert_eq!(rig.run(many(3)).await.done, 3, "{}", rig.heard.all());
    rig.is_sound(3);
}

#[tokio::test]
async fn the_first_wish_to_stop_finishes_what_is_in_flight() {
    let mut rig = Rig::start().await;
    rig.options.concurrency = 2;
    rig.fault(&["delay:100ms@POST /conversations"]);
    let stop = Stop::new();
    let later = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(350)).await;
        later.ask();
    });

    let summary = rig.try_run(many(40).into_iter().map(ready).collect(), &stop).await.unwrap();

    assert!(summary.is_interrupted);
    assert!(summary.done > 0 && summary.done < 40, "{summary:?}");
    assert_eq!(summary.done, rig.state("conversations"));
    assert_eq!(rig.journal.counts().await.unwrap().unknown, 0);
    assert_eq!(rig.heard.count("stopping"), 1);
    rig.fault(&[]);
    let summary = rig.run(many(40)).await;
    assert_eq!(summary.done, 40);
    rig.is_sound(40);
}

#[tokio::test]
async fn the_second_wish_stops_at_once_and_the_next_run_looks_first() {
    let mut rig = Rig::start().await;
    rig.options.concurrency = 4;
    rig.fault(&["delay:400ms@POST /conversations"]);
    let stop = Stop::new();
    let later = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(600)).await;
        later.ask();
        later.ask();
    });

    let summary = rig.try_run(many(20).into_iter().map(ready).collect(), &stop).await.unwrap();

    assert!(summary.is_interrupted && summary.unfinished > 0, "{summary:?}");
    assert!(rig.journal.counts().await.unwrap().unknown > 0);
    rig.fault(&[]);
    let summary = rig.run(many(20)).await;
    assert_eq!(summary.done, 20, "{}", rig.heard.all());
    rig.is_sound(20);
}

#[tokio::test]
async fn a_target_without_tags_is_told_of_once() {
    let rig = Rig::start().await;
    let mut directory = Directory::fetch(&rig.client).await.unwrap();
    directory.has_tags = false;
    let (sender, receiver) = mpsc::channel(8);
    for n in 0..3 {
        let mut one = conversation(n, "mark");
        one.tags = vec!["vip".to_owned()];
        sender.send(ready(one)).await.unwrap();
    }
    drop(sender);
    let heard: Arc<dyn Reporter> = Arc::clone(&rig.heard) as Arc<dyn Reporter>;

    let summary =
        run(receiver, &rig.client, &directory, &rig.journal, &rig.options, heard, &Stop::new()).await.unwrap();

    assert_eq!((summary.done, rig.heard.count("finding target-no-tags")), (3, 1));
}
