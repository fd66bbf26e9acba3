// Search without a server. Browsers start no worker for a page opened from disk (file://), so there the search's script runs in
// a hidden frame, and the messages of both sides are passed on.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.frame.srcdoc = "<body></body>"
      this.ready = new Promise((done) => this.frame.addEventListener("load", done)).then(() => {
        const inside = this.frame.contentWindow
        inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
        const script = inside.document.createElement("script")
        script.src = url
        const loaded = new Promise((done) => script.addEventListener("load", done))
        inside.document.body.append(script)
        return loaded
      })
      document.body.append(this.frame)
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
