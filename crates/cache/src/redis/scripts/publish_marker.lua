-- publish_marker: a push to all who track markers, behind the pushes of all that happened before.
-- KEYS[1] the marker
redis.call('SET', KEYS[1], '')
redis.call('DEL', KEYS[1])
return 1
