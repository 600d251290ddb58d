"""A provider of log-ins (OpenID Connect, authorisation code with PKCE) that knows one person and asks nothing."""

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "gan_aug", "a secret between app and provider"


class Provider:
    """Listens on a free port of this machine from ``start`` to ``stop``; ``refuses`` lets every log-in fail."""

    def __init__(self, email: str):
        self.email = email
        self.refuses = False
        self.codes: dict[str, dict[str, str]] = {}  # code -> what was asked for with it
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def secrets_toml(self, app_url: str) -> str:
        """What the app's secrets must say to use it."""
        values = {
            "redirect_uri": f"{app_url}/oauth2callback",
            "cookie_secret": secrets.token_hex(32),
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "server_metadata_url": f"{self.url}/.well-known/openid-configuration",
        }
        return "[auth]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [self._key.as_dict(private=False)]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes next: back to the app, with a code or a refusal."""
        if self.refuses:
            answer = {"error": "access_denied"}
        else:
            answer = {"code": secrets.token_urlsafe(16)}
            self.codes[answer["code"]] = asked
        return f"{asked['redirect_uri']}?{urlencode(answer | {'state': asked['state']})}"

    def token(self, sent: dict[str, str], authorization: str) -> dict[str, Any]:
        """Tokens for a code, which is good once and for whoever asked for it."""
        asked = self.codes.pop(sent["code"])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        assert challenge == asked["code_challenge"]
        assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}"
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "sub": "1", "email": self.email, "nonce": asked["nonce"], "iat": now, "exp": now + 600}
        id_token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        return {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 600, "id_token": id_token}

    def _handler(provider) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                address = urlsplit(self.path)
                asked = {name: values[0] for name, values in parse_qs(address.query).items()}
                if address.path == "/authorize":
                    self._go(provider.authorize(asked))
                elif address.path == "/logout":
                    self._go(asked["post_logout_redirect_uri"])
                else:
                    self._say({"/.well-known/openid-configuration": provider.metadata, "/keys": provider.keys}[address.path]())

            def do_POST(self) -> None:
                sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self._say(provider.token({name: values[0] for name, values in sent.items()}, self.headers["Authorization"]))

            def _go(self, address: str) -> None:
                self.send_response(302)
                self.send_header("Location", address)
                self.end_headers()

            def _say(self, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        return Handler
