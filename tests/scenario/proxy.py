"""proxy.py - a TCP proxy on loopback that can cut, swallow and refuse: the network between two nodes, under our thumb."""
import selectors
import socket
import struct
import threading


class Proxy:
    def __init__(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port, self.target, self.mode = self.listener.getsockname()[1], 0, "pass"
        self.pairs, self.stop = {}, False
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def drop(self, a, reset):
        for s in (a, self.pairs.pop(a, None)):
            if s is None:
                continue
            self.pairs.pop(s, None)
            try:
                self.selector.unregister(s)
            except (KeyError, ValueError):
                pass
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()

    def run(self):
        while not self.stop:
            for key, _ in self.selector.select(0.05):
                s = key.fileobj
                if s is self.listener:
                    near, _ = s.accept()
                    if self.mode == "refuse":
                        near.close()
                        continue
                    try:
                        far = socket.create_connection(("127.0.0.1", self.target), 5)
                    except OSError:
                        near.close()
                        continue
                    self.pairs[near], self.pairs[far] = far, near
                    for x in (near, far):
                        self.selector.register(x, selectors.EVENT_READ)
                    continue
                if s not in self.pairs:
                    continue
                try:
                    data = s.recv(65536)
                    if not data:
                        self.drop(s, False)
                    elif self.mode != "blackhole":
                        self.pairs[s].sendall(data)
                except OSError:
                    self.drop(s, False)
            if self.mode in ("reset", "refuse"):
                for s in list(self.pairs):
                    if s in self.pairs:
                        self.drop(s, True)
                if self.mode == "reset":
                    self.mode = "pass"

    def cut(self, how):
        self.mode = how

    def heal(self):
        if self.mode == "blackhole":  # what was swallowed is gone for good: such a stream can only die
            self.mode = "reset"
        else:
            self.mode = "pass"

    def close(self):
        self.stop = True
        self.thread.join()
        self.listener.close()
