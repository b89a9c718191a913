#include <array>

#include "storage_server/cli/command.h"

namespace sharestore::cli {

namespace {

constexpr std::array kCommands = {
    Command{"create-node", "", "Make a node directory with its keys", declare_create_node},
    Command{"run", "", "Run a node in the foreground until SIGTERM or SIGINT", declare_run},
    Command{"check-config", "", "Read a node's configuration and say what is wrong with it",
            declare_check_config},
    Command{"nurl", "", "Print the addresses by which clients reach a node", declare_nurl},
    Command{"servers-yaml", "", "Print a node's entry for a client's private/servers.yaml",
            declare_servers_yaml},
    Command{"status", "", "Show what a running node holds and how it is", declare_status},
    Command{"create-container", "admin",
            "Make the bucket or container that a node's shares go into", declare_create_container},
    Command{"ls-container", "admin", "List what lies in a node's bucket or container",
            declare_ls_container},
    Command{"probe", "admin", "Find out what a store can do, and the settings to use",
            declare_probe},
    Command{"take-over", "admin", "Take a bucket over from another run of the same node",
            declare_take_over},
    Command{"verify", "", "Compare the index with the shares, and mend what is wrong",
            declare_verify},
    Command{"accept-expiry", "admin", "End the grace of shares that were taken over",
            declare_accept_expiry},
    Command{"accept-clock", "admin", "Say that the clock is right after it jumped",
            declare_accept_clock},
    Command{"flush-leases", "admin", "Write all leases into the share files now",
            declare_flush_leases},
    Command{"rebuild-index", "admin", "Build the index anew from the shares",
            declare_rebuild_index},
    Command{"remove", "admin", "Take a share out by hand, into quarantine", declare_remove},
};

}  // namespace

std::span<const Command> all_commands() { return kCommands; }

}  // namespace sharestore::cli
