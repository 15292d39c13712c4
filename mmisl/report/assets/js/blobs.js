// Arrays and pictures of the page, decoded when they are first needed.

const { payload, blobs } = JSON.parse(
  document.getElementById('payload').textContent,
);

const ARRAY_TYPES = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  int32: Int32Array,
  float32: Float32Array,
};

function decodeBase64(text) {
  if (Uint8Array.fromBase64) {
    return Uint8Array.fromBase64(text);
  }
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function blobBytes(name) {
  return decodeBase64(document.getElementById(blobs[name].id).textContent);
}

function gunzip(bytes) {
  const stream = new Blob([bytes]).stream();
  return new Response(stream.pipeThrough(new DecompressionStream('gzip')));
}

// One promise for each name, so nothing is decoded twice.
function remembered(load) {
  const promises = new Map();
  return (name) => {
    if (!promises.has(name)) {
      promises.set(name, load(name));
    }
    return promises.get(name);
  };
}

// {data: typed array in C order, shape}
const readArray = remembered(async (name) => {
  const { dtype, shape } = blobs[name];
  const buffer = await gunzip(blobBytes(name)).arrayBuffer();
  return { data: new ARRAY_TYPES[dtype](buffer), shape };
});

const readLines = remembered(async (name) => {
  const text = await gunzip(blobBytes(name)).text();
  return text.split('\n');
});

const readImage = remembered(async (name) => {
  const picture = new Blob([blobBytes(name)], { type: blobs[name].mime });
  const image = new Image();
  image.src = URL.createObjectURL(picture);
  await image.decode();
  return image;
});
