// Integer models of subbyte in browsers and node.

/** A model that is ready to run. */
export class Model {
  #exports;

  /**
   * Prepares a model.
   * @param {BufferSource | WebAssembly.Module} module - subbyte_wasm.wasm, its bytes or compiled.
   * @param {Uint8Array} file - the bytes of a `.sbm` file.
   * @returns {Promise<Model>}
   * @throws {Error} if the file holds no valid model.
   */
  static async load(module, file) {
    const compiled = module instanceof WebAssembly.Module ? module : await WebAssembly.compile(module);
    const model = new Model();
    model.#exports = (await WebAssembly.instantiate(compiled)).exports;
    model.#bytes(model.#exports.file(file.length), file.length).set(file);
    if (!model.#exports.load()) throw new Error(model.#message());
    return model;
  }

  /** The instruction set in use, `simd128` or `portable`. */
  get level() {
    return this.#message();
  }

  /** Bytes of an image, height * width * colours. */
  get imageBytes() {
    return this.#exports.image_bytes();
  }

  /**
   * The integer logits of an image.
   * @param {Uint8Array} image - [height][width][colours]; of the model's size.
   * @returns {Int32Array} one a class.
   * @throws {RangeError} if the image has another size.
   */
  run(image) {
    if (image.length !== this.imageBytes) {
      throw new RangeError(`the image has ${image.length} bytes, not ${this.imageBytes}`);
    }
    const exports = this.#exports;
    this.#bytes(exports.image(), image.length).set(image);
    return new Int32Array(exports.memory.buffer, exports.run(), exports.classes()).slice();
  }

  #message() {
    const { message, message_bytes } = this.#exports;
    return new TextDecoder().decode(this.#bytes(message(), message_bytes()));
  }

  // Anew every time: memory that grows gets another buffer.
  #bytes(start, length) {
    return new Uint8Array(this.#exports.memory.buffer, start, length);
  }
}
