//! The steps of the protocol that no command of Redis does by itself.

use fred::clients::Client;
use fred::error::Error;
use fred::types::scripts::Script;
use futures_util::future::try_join_all;

pub(super) struct Scripts {
    pub(super) fill: Script,
    pub(super) fence: Script,
    pub(super) release: Script,
    pub(super) generations: Script,
    pub(super) invalidate: Script,
    pub(super) wait: Script,
    pub(super) publish_marker: Script,
    pub(super) epoch: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Scripts {
            fill: Script::from_lua(include_str!("../scripts/fill.lua")),
            fence: Script::from_lua(include_str!("../scripts/fence.lua")),
            release: Script::from_lua(include_str!("../scripts/release.lua")),
            generations: Script::from_lua(include_str!("../scripts/generations.lua")),
            invalidate: Script::from_lua(include_str!("../scripts/invalidate.lua")),
            wait: Script::from_lua(include_str!("../scripts/wait.lua")),
            publish_marker: Script::from_lua(include_str!("../scripts/publish_marker.lua")),
            epoch: Script::from_lua(include_str!("../scripts/epoch.lua")),
        }
    }

    /// Makes them known to a server.
    pub(super) async fn load(&self, client: &Client) -> Result<(), Error> {
        let Scripts { fill, fence, release, generations, invalidate, wait, publish_marker, epoch } = self;
        let all = [fill, fence, release, generations, invalidate, wait, publish_marker, epoch];
        try_join_all(all.into_iter().map(|script| script.load(client))).await.map(drop)
    }
}
