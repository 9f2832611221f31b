"""A raw encrypted copy: tar, zstd unless it goes as it is, and TLS by `openssl`."""

import subprocess

from world import free_port

from transfers.ground import Program
from transfers.systems.peer import Folder, certificate, listens, watch


class Copying:
    """`tar | zstd -3 | TLS | zstd -d | tar`, or the same without zstd. One pair of ends for each transfer."""

    def __init__(self, ground, place, is_compressed):
        self.name = "tar, zstd, TLS" if is_compressed else "tar, TLS"
        self.ground, self.place, self.number, self.is_compressed = ground, place, 0, is_compressed
        place.mkdir()
        self.key, self.certificate = certificate(place)

    def transfer(self, study, patience, watched=False):
        self.number += 1
        folder, port = self.place / f"received-{self.number}", free_port()
        folder.mkdir()
        address = self.ground.address("hospital")
        receivers = self.receivers(folder, port)
        try:
            listens(self.ground, "hospital", port)
            size = min(file.stat().st_size for file in study.folder.iterdir())
            count = Folder(folder, size).count
            begin = lambda: [*self.senders(study, address, port), *receivers]
            is_over = lambda programs, seen: seen >= study.images
            return watch(self.name, self.ground, study, count, begin, is_over, dict, patience)
        finally:
            for program in receivers:
                program.stop()

    def chain(self, site, source, commands):
        """Programs that read what the one before wrote; the first one reads `source`."""
        programs, before = [], source
        for at, (name, command) in enumerate(commands):
            is_last = at + 1 == len(commands)
            program = Program(name, self.ground, site, command, stdin=before, stdout=subprocess.DEVNULL if is_last else subprocess.PIPE)
            if at > 0:
                # It is the next one's alone, which must find its end.
                before.close()
            before = program.process.stdout
            programs.append(program)
        return programs

    def receivers(self, folder, port):
        server = ["openssl", "s_server", "-quiet", "-accept", port, "-naccept", 1, "-key", self.key, "-cert", self.certificate]
        commands = [("openssl (receiver)", server)]
        commands += [("zstd -d", ["zstd", "-dcq"])] if self.is_compressed else []
        # Its input never ends: at an end it would look for more without a pause.
        return self.chain("hospital", subprocess.PIPE, [*commands, ("tar x", ["tar", "-xC", folder])])

    def senders(self, study, address, port):
        client = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-nocommands", "-connect", f"{address}:{port}"]
        commands = [("tar c", ["tar", "-cC", study.folder, "."])]
        commands += [("zstd", ["zstd", "-3cq"])] if self.is_compressed else []
        return self.chain("clinic", subprocess.DEVNULL, [*commands, ("openssl (sender)", client)])

    def close(self):
        pass


def versions():
    first = lambda *command: subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.splitlines()[0]
    return first("openssl", "version").split(" (")[0], first("zstd", "--version").split("v")[-1].split(",")[0]
