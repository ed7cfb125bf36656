// The bus in a browser: new Bus({channels: ["orders"], onmessage: (payload, channel, position) => …}). No dependency.
// Options besides: last (a position), websocket, poll (paths or URLs), onlost(), onerror(sentence), onstate("open" | "waiting").
(function (place) {
  "use strict";
  const FIRST = 0.5, CAP = 30, TRIES = 3;  // seconds between attempts; failed handshakes until long polls take over

  class Bus {
    constructor(options) {
      this.options = Object.assign({websocket: "/websocket", poll: "/longpolling/poll"}, options);
      this.channels = options.channels || [];
      this.last = options.last ?? null;
      this.failures = this.refused = 0;
      this.connect();
    }

    // Listen to other channels.
    subscribe(channels) {
      this.channels = channels;
      if (this.polling) this.polling.abort();
      else if (this.asked) this.changed = true;
      else if (this.socket && this.socket.readyState === 1) this.ask({});
    }

    close() {
      this.closed = true;
      clearTimeout(this.timer);
      if (this.socket) this.socket.close();
      if (this.polling) this.polling.abort();
    }

    connect() {
      if (this.closed) return;
      if (this.refused >= TRIES || !place.WebSocket) return void this.poll();
      const url = new URL(this.options.websocket, place.location.href);
      url.protocol = url.protocol.replace("http", "ws");
      const socket = this.socket = new place.WebSocket(url);
      this.refused++;
      socket.onopen = () => { this.refused = 0; this.ask({last: this.last}); };
      socket.onmessage = (event) => this.hear(JSON.parse(event.data));
      socket.onclose = (event) => {
        let retry;
        try { retry = JSON.parse(event.reason).retry; } catch { /* no hint */ }
        this.again(retry);
      };
    }

    // Without a last position it is from now on.
    ask(more) {
      this.asked = true;
      this.changed = false;
      this.socket.send(JSON.stringify({subscribe: this.channels, ...more}));
    }

    hear(said) {
      if (said.error) {
        this.call("onerror", said.error);
        if (this.asked) this.socket.close();
        return;
      }
      if (said.subscribed) {
        this.asked = false;
        this.failures = 0;
        this.last ??= said.position;
        this.call("onstate", "open");
        if (this.changed) this.ask({});
      }
      for (const {position, channel, payload} of said.messages || []) {
        this.last = position;
        if (channel) this.call("onmessage", payload, channel, position);
        else if (payload?.lost) this.call("onlost");  // too old: load the page again
      }
    }

    // Later and later, or when the server says; never all at one moment.
    again(retry) {
      this.socket = this.polling = null;
      this.asked = false;
      if (this.closed) return;
      this.call("onstate", "waiting");
      const longest = Math.min(CAP, FIRST * 2 ** this.failures++);
      const seconds = (retry ?? longest / 2) + Math.random() * longest / 2;
      this.timer = setTimeout(() => this.connect(), seconds * 1000);
    }

    // Where no WebSocket comes through. When this fails, too, one is tried again.
    async poll() {
      const polling = this.polling = new AbortController();
      let retry;
      try {
        const answer = await place.fetch(this.options.poll, {
          method: "POST", signal: polling.signal, headers: {"Content-Type": "application/json"},
          body: JSON.stringify({channels: this.channels, last: this.last}),
        });
        retry = Number(answer.headers.get("Retry-After")) || undefined;
        if (!answer.ok) throw answer;
        this.hear({subscribed: true, ...await answer.json()});
        this.connect();
      } catch (error) {
        if (error.name === "AbortError") return this.connect();
        this.refused = TRIES - 1;
        this.again(retry);
      }
    }

    // A page that throws misses nothing.
    call(name, ...values) {
      try { this.options[name]?.(...values); } catch (error) { Promise.reject(error); }
    }
  }

  place.Bus = Bus;
})(globalThis);
