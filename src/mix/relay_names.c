#include "mix/relay.h"

#include <assert.h>

const char *relay_drop_name(enum relay_drop why) {
    static const char *const name[RELAY_DROPS] = {
        [RELAY_DROP_VERSION] = "version",
        [RELAY_DROP_KEY_ID] = "key_id",
        [RELAY_DROP_POINT] = "point",
        [RELAY_DROP_MAC] = "mac",
        [RELAY_DROP_REPLAY] = "replay",
        [RELAY_DROP_COMMAND] = "command",
        [RELAY_DROP_PAYLOAD] = "payload",
        [RELAY_DROP_SIZE] = "size",
        [RELAY_DROP_RATE] = "rate",
        [RELAY_DROP_FULL] = "full",
        [RELAY_DROP_REPLAY_FULL] = "replay_full",
        [RELAY_DROP_EPOCH] = "epoch",
        [RELAY_DROP_NO_ROUTE] = "no_route",
        [RELAY_DROP_LINK] = "link",
        [RELAY_DROP_RECIPIENT] = "recipient",
        [RELAY_DROP_COVER] = "cover",
    };
    assert(why < RELAY_DROPS);
    return name[why];
}
