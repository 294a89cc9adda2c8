use super::*;
use crate::activity::RequestGuard;

fn connections(max: usize, max_per_client: usize) -> Arc<Connections> {
    let bounds =
        ConnectionBounds { max, max_per_client, idle: Duration::from_secs(60), stalled: Duration::from_secs(61) };
    Arc::new(Connections::new(bounds, "10.0.0.0/8".parse().unwrap()))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The order that it has been given.
fn order(guard: &ConnectionGuard) -> Option<CloseOrder> {
    use std::task::{Context, Poll, Waker};
    match guard.activity.poll_order(None, &Context::from_waker(Waker::noop())) {
        Poll::Ready(order) => Some(order),
        Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn the_one_that_is_idle_longest_makes_room() {
    let connections = connections(3, 100);
    let mut guards = Vec::new();
    for _ in 0..3 {
        guards.push(connections.admit(address("192.0.2.1")));
        sleep(Duration::from_secs(1)).await;
    }
    let _request = RequestGuard::begin(&guards[0].activity);
    let newest = connections.admit(address("192.0.2.2"));
    let orders: Vec<_> = guards.iter().map(order).collect();
    assert_eq!(orders, [None, Some(CloseOrder::End), None]);
    assert!(!newest.reserved && connections.len() == 3);
    drop(guards);
    assert_eq!(connections.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_at_work_there_is_the_reserve_which_never_ends() {
    let connections = connections(2, 100);
    let guards: Vec<_> = (0..2).map(|_| connections.admit(address("192.0.2.1"))).collect();
    let requests: Vec<_> = guards.iter().map(|guard| RequestGuard::begin(&guard.activity)).collect();
    let reserve: Vec<_> = (0..MAX_RESERVED + 1).map(|_| connections.admit(address("192.0.2.1"))).collect();
    assert!(reserve.iter().all(|guard| guard.reserved));
    assert_eq!(order(&reserve[0]), Some(CloseOrder::End));
    assert!(reserve[1..].iter().chain(&guards).all(|guard| order(guard).is_none()));
    drop(requests);
    assert!(!connections.admit(address("192.0.2.1")).reserved);
}

#[tokio::test(start_paused = true)]
async fn one_address_has_a_part_of_them_and_proxies_have_all() {
    let connections = connections(10, 2);
    let of = |text: &str, count: usize| (0..count).map(|_| connections.admit(address(text))).collect::<Vec<_>>();
    let ended = |guards: &[ConnectionGuard]| guards.iter().filter(|guard| order(guard).is_some()).count();
    let one = of("192.0.2.1", 5);
    assert_eq!(ended(&one), 3);
    assert_eq!(ended(&of("2001:db8::1", 2)) + ended(&of("10.1.2.3", 4)) + ended(&of("127.0.0.1", 4)), 0);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_nothing_has_its_time() {
    let connections = connections(10, 10);
    let stopping = CancellationToken::new();
    let watching = Arc::clone(&connections);
    let watch = tokio::spawn({
        let stopping = stopping.clone();
        async move { watching.watch(stopping).await }
    });
    let [idle, working, busy] = [(); 3].map(|()| connections.admit(address("192.0.2.1")));
    let request = RequestGuard::begin(&working.activity);
    for _ in 0..59 {
        drop(RequestGuard::begin(&busy.activity));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(order(&idle), None);
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!((order(&idle), order(&working), order(&busy)), (Some(CloseOrder::End), None, None));
    sleep(Duration::from_secs(100_000)).await;
    assert_eq!((order(&working), order(&busy)), (None, Some(CloseOrder::End)), "a long download is not idle");
    drop((idle, busy));
    connections.finish_within(Duration::from_secs(20));
    stopping.cancel();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(order(&working), Some(CloseOrder::Finish));
    sleep(Duration::from_secs(11)).await;
    assert_eq!(order(&working), Some(CloseOrder::End));
    drop((request, working));
    watch.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn streams_have_the_bounds_of_connections() {
    let connections = connections(10, 4);
    let (one, other, proxy) = (
        connections.admit(address("192.0.2.1")),
        connections.admit(address("192.0.2.2")),
        connections.admit(address("10.1.2.3")),
    );
    let of =
        |guard: &ConnectionGuard, count: usize| (0..count).filter_map(|_| guard.begin_stream()).collect::<Vec<_>>();
    let (first, second) = (of(&one, 6), of(&other, 1));
    assert_eq!((first.len(), second.len(), of(&connections.admit(address("192.0.2.1")), 1).len()), (4, 1, 0));
    assert_eq!(of(&proxy, 10).len(), 5);
    drop(first);
    assert_eq!(of(&proxy, 10).len(), 9);
    assert_eq!(of(&one, 6).len(), 4);
}
