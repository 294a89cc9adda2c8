//! A network between two processes of a test, which the test can break.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

/// The number of chunks of one connection in flight, per direction. More make the sender wait, as in a real network.
const UNDER_WAY: usize = 1024;
const CHUNK: usize = 16 * 1024;

/// How a [`Proxy`] treats its connections, open and future ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Everything arrives at once.
    Whole,
    /// Nothing arrives, without an error. Sent bytes arrive when the network is whole again, like a retransmission,
    /// even if the connection was closed in the meantime.
    Silent,
    /// Requests arrive, their answers do not: like `Silent`, in one direction.
    Mute,
    /// Everything arrives later by this time, in each direction.
    Slow(Duration),
    /// The answering side seems to have finished: the client reads the end of the stream, while what it sends still
    /// arrives.
    HalfClosed,
    /// Connections are reset.
    Reset,
}

/// Listens on a loopback port of its own and forwards everything to one address. Dropping it ends its connections.
pub struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of the server at `target` (`host:port`), with the network whole.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a listener has an address");
        let (network, seen) = watch::channel(Network::Whole);
        let accepting = tokio::spawn(accept(listener, target.to_owned(), seen));
        Proxy { address, network, accepting }
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes the network from now on.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: String, network: watch::Receiver<Network>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, target.clone(), network.clone()));
    }
}

async fn serve(mut client: TcpStream, target: String, mut network: watch::Receiver<Network>) {
    let mut server = None;
    let mut passing = network.clone();
    tokio::select! {
        _ = pass(&mut client, &mut server, &target, &mut passing) => {}
        // It may also fail because the proxy was dropped, which ends the connection as well.
        _ = network.wait_for(|network| *network == Network::Reset) => {}
    }
    // With this option, closing resets the connection; without it, it ends the connection normally.
    let reset = *network.borrow() == Network::Reset;
    for stream in [Some(client), server].into_iter().flatten() {
        if reset {
            let _ = stream.set_zero_linger();
        }
    }
}

async fn pass(
    client: &mut TcpStream,
    server: &mut Option<TcpStream>,
    target: &str,
    network: &mut watch::Receiver<Network>,
) -> io::Result<()> {
    // If nothing arrives, no connection is established.
    wait_until_it_passes(network, Direction::There).await?;
    client.set_nodelay(true)?;
    let server = server.insert(TcpStream::connect(target).await?);
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    tokio::try_join!(
        carry(from_client, to_server, Direction::There, network.clone()),
        carry(from_server, to_client, Direction::Back, network.clone()),
    )?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    There,
    Back,
}

/// Forwards one direction of a connection until its end. Reading does not wait for delivery, so a delay does not limit
/// the throughput.
async fn carry(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    direction: Direction,
    network: watch::Receiver<Network>,
) -> io::Result<()> {
    let (chunks, under_way) = mpsc::channel(UNDER_WAY);
    tokio::try_join!(collect(from, chunks), deliver(under_way, to, direction, network))?;
    Ok(())
}

async fn collect(mut from: ReadHalf<'_>, chunks: mpsc::Sender<(Instant, Vec<u8>)>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = from.read(&mut buffer).await?;
        // The other side has closed this direction: further bytes are dropped.
        if length == 0 || chunks.send((Instant::now(), buffer[..length].to_vec())).await.is_err() {
            return Ok(());
        }
    }
}

async fn deliver(
    mut under_way: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    mut network: watch::Receiver<Network>,
) -> io::Result<()> {
    let mut half_closing = network.clone();
    loop {
        let chunk = tokio::select! {
            chunk = under_way.recv() => chunk,
            _ = half_closing.wait_for(|network| *network == Network::HalfClosed), if direction == Direction::Back => None,
        };
        let Some((sent, chunk)) = chunk else { break };
        match wait_until_it_passes(&mut network, direction).await? {
            Network::HalfClosed if direction == Direction::Back => break,
            Network::Slow(delay) => sleep_until((sent + delay).into()).await,
            _ => {}
        }
        to.write_all(&chunk).await?;
    }
    // The end of the stream is delayed as well.
    wait_until_it_passes(&mut network, direction).await?;
    to.shutdown().await
}

/// Waits until the network lets this direction pass, and returns its state, which may be half closed.
async fn wait_until_it_passes(network: &mut watch::Receiver<Network>, direction: Direction) -> io::Result<Network> {
    let passes = |network: &Network| match network {
        Network::Silent | Network::Reset => false,
        Network::Mute => direction == Direction::There,
        Network::Whole | Network::Slow(_) | Network::HalfClosed => true,
    };
    Ok(*network.wait_for(passes).await.map_err(gone)?)
}

fn gone(_: watch::error::RecvError) -> io::Error {
    io::Error::other("the proxy is gone")
}
