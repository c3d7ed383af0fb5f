// A worker that is watched: it says hello when it has started, and answers a ping for as long as anything is asked of it.

const HELLO_MS = 10_000; // after which a worker that has said nothing is given up
const PING_MS = 4000; // between the last sign of life and the question for another
const PONG_MS = 10_000; // within which it must answer
const LATE_MS = 2000; // by which a timer is late only where the computer slept, and the worker with it

const NOT_STARTED = "The search could not be started: is there a network, and is this browser a recent one? Try again.";
const STOPPED = "The search stopped answering and was ended. Try again: that starts it anew.";

/**
 * A worker that answers, or is ended with a sentence that says so. Some browsers say nothing of a worker that cannot be
 * loaded, and none of one that hangs or was ended for its memory. The worker's part, `hello` and `pong`, is in worker.js.
 */
export class WatchedWorker {
  #worker;
  #onMessage;
  #onLost;
  #isBusy;
  #hasStarted = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {URL} url of a module
   * @param {object} options
   * @param {(message: any) => void} options.onMessage
   * @param {(message: string) => void} options.onLost called once, with a sentence; the worker is ended by then
   * @param {() => boolean} options.isBusy whether something is asked of the worker
   */
  constructor(url, { onMessage, onLost, isBusy }) {
    this.#onMessage = onMessage;
    this.#onLost = onLost;
    this.#isBusy = isBusy;
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = () => this.#lose();
    this.#expectLife(HELLO_MS);
  }

  /** @param {unknown} message */
  post(message) {
    this.#worker.postMessage(message);
    if (this.#hasStarted && this.#timer === undefined) this.#pingLater();
  }

  close() {
    clearTimeout(this.#timer);
    this.#worker.terminate();
  }

  /** @param {any} message */
  #receive(message) {
    this.#hasStarted = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (message.type !== "hello" && message.type !== "pong") this.#onMessage(message);
    if (this.#timer === undefined && this.#isBusy()) this.#pingLater();
  }

  #pingLater() {
    this.#timer = setTimeout(() => this.#ping(), PING_MS);
  }

  #ping() {
    this.#worker.postMessage({ type: "ping" });
    this.#expectLife(PONG_MS);
  }

  /** @param {number} within milliseconds */
  #expectLife(within) {
    const due = performance.now() + within;
    this.#timer = setTimeout(() => (performance.now() > due + LATE_MS ? this.#ping() : this.#lose()), within);
  }

  #lose() {
    this.close();
    this.#onLost(this.#hasStarted ? STOPPED : NOT_STARTED);
  }
}
