// Memory of buffers that nobody uses any more.

const { port1: toNobody, port2 } = new MessageChannel();
port2.close();

/**
 * Give back the memory of a buffer now: a worker that waits collects no garbage, and that of a download would stay for as
 * long as the page. What is sent to a closed port is dropped with all that it holds.
 * @param {ArrayBuffer} buffer
 */
export const free = (buffer) => toNobody.postMessage(null, [buffer]);
