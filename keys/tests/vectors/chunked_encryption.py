"""Makes the cases of chunked-encryption.json from the text of c2sp.org/chunked-encryption, independently of the Rust code.

Licence: CC0-1.0. Needs the package cryptography. `python chunked_encryption.py < chunked-encryption.json` computes every
case anew from its inputs, for AES-256-GCM (the instantiation Cobblestone-256), and prints the file.
"""

import hashlib
import hmac
import json
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK = 16 * 1024
NAME = b"AEAD_AES_256_GCM"


def expand(key, info, length):
    """HKDF-Expand (RFC 5869) with SHA-512."""
    out = block = b""
    counter = 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha512).digest()
        out += block
        counter += 1
    return out[:length]


def seal(key, salt, context, message):
    derived = expand(key, b"c2sp.org/chunked-encryption@v1+" + NAME + b"\0" + salt + context, 76)
    cipher, base, commitment = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big"), derived[44:]
    sealed = salt + commitment
    for number in range(len(message) // CHUNK + 1):
        nonce = (base ^ number).to_bytes(12, "big")
        sealed += cipher.encrypt(nonce, message[number * CHUNK : (number + 1) * CHUNK], None)
    return commitment, sealed


def case(known):
    message = hashlib.shake_256(bytes.fromhex(known["msg_shake256_seed"])).digest(known["size"])
    key, salt, context = (bytes.fromhex(known[name]) for name in ("key", "salt", "context"))
    commitment, sealed = seal(key, salt, context, message)
    return known | {
        "msg_sha256": hashlib.sha256(message).hexdigest(),
        "commitment": commitment.hex(),
        "ct_len": len(sealed),
        "ct_sha256": hashlib.sha256(sealed).hexdigest(),
        "ct": sealed.hex() if known["ct"] else None,
    }


def main():
    file = json.load(sys.stdin)
    scheme = f"c2sp.org/chunked-encryption@v1, HKDF-Expand-SHA-512, {NAME.decode()}"
    json.dump(file | {"scheme": scheme, "tests": [case(known) for known in file["tests"]]}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
