//! Tests of the Redis of the testkit.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hotshelf_testkit::{RedisReply, RedisServer};

#[test]
fn a_restart_forgets_everything() {
    let redis = RedisServer::start();
    redis.command(&["SET", "k", "v"]);
    redis.save_snapshot();
    redis.restart();
    assert_eq!(redis.get("k"), None);
}

#[test]
fn a_restart_from_a_snapshot_brings_the_old_values_back() {
    let redis = RedisServer::start();
    redis.command(&["SET", "k", "old"]);
    redis.save_snapshot();
    redis.command(&["SET", "k", "new"]);
    redis.restart_from_snapshot();
    assert_eq!(redis.get("k").as_deref(), Some("old"));
    assert_eq!(redis.keys("*"), ["k"]);
}

#[test]
fn a_server_that_is_not_started_yet_has_an_address_that_refuses() {
    let redis = RedisServer::not_started();
    assert!(TcpStream::connect(redis.address()).is_err());
    redis.restart();
    assert_eq!(redis.command(&["PING"]), RedisReply::Bytes(b"PONG".to_vec()));
    redis.stop();
    assert!(TcpStream::connect(redis.address()).is_err());
}

#[test]
fn a_paused_server_takes_commands_and_answers_when_resumed() {
    let redis = RedisServer::start();
    redis.pause();
    let mut connection = TcpStream::connect(redis.address()).unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    connection.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    assert!(connection.read_exact(&mut answer).is_err(), "a paused Redis answers nothing");
    redis.resume();
    connection.set_read_timeout(None).unwrap();
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
}

#[test]
fn replies_of_every_kind_are_read() {
    let redis = RedisServer::start_with(&["--maxmemory", "100mb"]);
    let script = "return {1, 'two', false, {3}}";
    let expected = vec![
        RedisReply::Integer(1),
        RedisReply::Bytes(b"two".to_vec()),
        RedisReply::Nil,
        RedisReply::Array(vec![RedisReply::Integer(3)]),
    ];
    assert_eq!(redis.command(&["EVAL", script, "0"]), RedisReply::Array(expected));
    assert_eq!(redis.command(&["CONFIG", "GET", "maxmemory"]).texts(), ["maxmemory", "104857600"]);
}

#[test]
#[should_panic(expected = "Redis refused")]
fn a_refused_command_fails_the_test() {
    RedisServer::start().command(&["NONSENSE"]);
}

#[test]
fn a_monitor_tells_the_commands_since_it_was_asked_last() {
    let redis = RedisServer::start();
    redis.command(&["SET", "k", "before"]);
    let mut monitor = redis.monitor();
    redis.command(&["SET", "k", "v"]);
    redis.command(&["GET", "other"]);
    let commands = monitor.commands_with("\"k\"");
    assert!(matches!(&commands[..], [command] if command.ends_with(r#""SET" "k" "v""#)), "{commands:?}");
    assert_eq!(monitor.commands_with("\"k\""), Vec::<String>::new());
    redis.command(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "k"]);
    let inside = monitor.commands_with(" lua] ");
    assert!(matches!(&inside[..], [command] if command.ends_with(r#""GET" "k""#)), "{inside:?}");
}
