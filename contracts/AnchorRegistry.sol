// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

/// Heads of append-only logs, each under the account that wrote it: nobody writes for another, nobody is asked.
/// The event is the anchor: who holds a head finds it in the receipts of a block.  The slot lets contracts and
/// auditors see the newest without searching, and refuses whatever is not newer: a log only grows.
contract AnchorRegistry {
    /// One slot of storage.  `prefix` is the first 24 bytes of the root; all of it is in the event.
    struct Head {
        uint64 size;
        bytes24 prefix;
    }

    mapping(address => Head) public newest;

    event Anchored(address indexed owner, bytes32 indexed root, uint64 size);

    /// The log of this account is already anchored at `size` or beyond.
    error NotNewer(uint64 size);

    function anchor(bytes32 root, uint64 size) external {
        uint64 before = newest[msg.sender].size;
        if (size <= before) revert NotNewer(before);
        newest[msg.sender] = Head(size, bytes24(root));
        emit Anchored(msg.sender, root, size);
    }
}
