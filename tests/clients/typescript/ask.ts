// Asks a service for every operation, with a client whose types were generated from its OpenAPI document.
// usage: node ask.js URL KEY; writes the answers of each operation, by its id, as JSON.

import createClient from "openapi-fetch";
import type { operations, paths } from "./schema.js";

const [baseUrl = "", key = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });

function read<Data>(answer: { data?: Data; error?: unknown }): Data {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function getPicture(scale: number): Promise<Uint8Array<ArrayBuffer>> {
  const options = { params: { path: { index: 3 }, query: { scale } }, parseAs: "arrayBuffer" } as const;
  return new Uint8Array(read(await client.GET("/api/v1/test-images/{index}/image", options)));
}

async function upload(body: FormData | Blob): Promise<[string | null, string][]> {
  // The document calls files binary strings; bodySerializer gives what is sent for them.
  const headers = body instanceof Blob ? { "Content-Type": body.type } : {};
  const serialized = { body: { file: [] }, bodySerializer: () => body, headers };
  const { predictions } = read(await client.POST("/api/v1/predictions/upload", serialized));
  return predictions.map(({ filename, label }) => [filename, label]);
}

const served = { name: "fake" };
const servedVersion = { ...served, version: "1" };

// The type has an operation that is not asked stop the compiler.
const calls: { [Id in keyof operations]: () => Promise<unknown> } = {
  async check_liveness() {
    return read(await client.GET("/livez")).status;
  },
  async check_readiness() {
    return read(await client.GET("/readyz")).status;
  },
  async get_model() {
    const model = read(await client.GET("/api/v1/model"));
    return [model.name, model.labels.length, model.input.height];
  },
  async list_test_images() {
    const query = { label: "Dress", offset: 1, limit: 2 } as const;
    const page = read(await client.GET("/api/v1/test-images", { params: { query } }));
    return [page.total, page.items.map((item) => item.index)];
  },
  async get_test_image() {
    const found = await client.GET("/api/v1/test-images/{index}", { params: { path: { index: 3 } } });
    const { error } = await client.GET("/api/v1/test-images/{index}", { params: { path: { index: 77 } } });
    return [read(found).label, error?.type];
  },
  async get_test_image_picture() {
    const picture = await getPicture(2);
    return new DataView(picture.buffer).getUint32(16); // the width, by the PNG specification
  },
  async predict_test_image() {
    const params = { path: { index: 3 }, query: { coverage: "0.99" } } as const;
    const { correct, prediction } = read(await client.GET("/api/v1/test-images/{index}/prediction", { params }));
    return [correct, prediction.label, prediction.prediction_set?.length];
  },
  async predict_images() {
    const rows = Array.from({ length: 28 }, (_, y) => Array.from({ length: 28 }, (_, x) => (x + y === 0 ? 3 : 0)));
    const picture = Buffer.from(await getPicture(1)).toString("base64");
    const params = { query: { coverage: "0.9" } } as const;
    const answer = await client.POST("/api/v1/predictions", { params, body: { images: [rows, picture] } });
    const { predictions } = read(answer);
    return predictions.map(({ label, probabilities }) => [label, Object.keys(probabilities).length]);
  },
  async predict_upload() {
    const picture = new Blob([await getPicture(1)], { type: "image/png" });
    const form = new FormData();
    form.append("file", picture, "a.png");
    form.append("file", picture, "b.png");
    return [...(await upload(form)), ...(await upload(picture))];
  },
  async prepare_picture() {
    const query = { crop: "0,0,0.5,0.5", turn: 90, invert: "false", fit: "cover" } as const;
    const picture = new Blob([await getPicture(4)], { type: "image/png" });
    const form = new FormData();
    form.append("file", picture, "a.png");
    const serialized = { params: { query }, body: { file: "" }, bodySerializer: () => form };
    const { image, steps } = read(await client.POST("/api/v1/preparations", serialized));
    const bytes = Buffer.from(image, "base64");
    const type = bytes.toString("latin1", 1, 4) === "PNG" ? "image/png" : "";
    return [type, [bytes.readUInt32BE(16), bytes.readUInt32BE(20)], steps.turn, steps.crop];
  },
  async explain_images() {
    const picture = Buffer.from(await getPicture(1)).toString("base64");
    const answer = await client.POST("/api/v1/explanations", { body: { images: [picture] } });
    return read(answer).explanations.map(({ label, heat_map }) => [label, heat_map.length]);
  },
  async get_confusion_matrix() {
    let answer = await client.GET("/api/v1/confusion-matrix");
    while (answer.response.status === 503) answer = await client.GET("/api/v1/confusion-matrix"); // not predicted yet
    const { total, labels, matrix } = read(answer);
    return [total, labels.length, matrix.reduce((sum, row, number) => sum + (row[number] ?? 0), 0)];
  },
  async predict_label() {
    return read(await client.GET("/predict", { params: { query: { test_image_num: 3 } } }));
  },
  async get_actual_label() {
    return read(await client.GET("/real", { params: { query: { test_image_num: 3 } } }));
  },
  async list_serving_models() {
    return read(await client.GET("/v1/models")).models;
  },
  async get_serving_status() {
    const { ready, model_version_status } = read(await client.GET("/v1/models/{name}", { params: { path: served } }));
    return [ready, model_version_status[0]?.state];
  },
  async get_serving_version_status() {
    const answer = await client.GET("/v1/models/{name}/versions/{version}", { params: { path: servedVersion } });
    const { ready, model_version_status } = read(answer);
    return [ready, model_version_status[0]?.state];
  },
  async get_serving_metadata() {
    const { metadata } = read(await client.GET("/v1/models/{name}/metadata", { params: { path: served } }));
    return Object.keys(metadata.signature_def.signature_def);
  },
  async get_serving_version_metadata() {
    const params = { path: servedVersion };
    const { metadata } = read(await client.GET("/v1/models/{name}/versions/{version}/metadata", { params }));
    return metadata.signature_def.signature_def["serving_default"]?.inputs["image"]?.dtype;
  },
  async predict_serving() {
    const picture = { b64: Buffer.from(await getPicture(1)).toString("base64") };
    const body = { signature_name: "images" as const, instances: [picture, picture] };
    const answer = read(await client.POST("/v1/models/{name}:predict", { params: { path: served }, body }));
    const { error } = await client.POST("/v1/models/{name}:predict", { params: { path: { name: "none" } }, body });
    return ["predictions" in answer && answer.predictions.map((row) => Array.isArray(row) && row.length), error?.error];
  },
  async predict_serving_version() {
    const rows = Array.from({ length: 28 }, (_, y) => Array.from({ length: 28 }, (_, x) => (x + y === 0 ? 3 : 0)));
    const body = { signature_name: "details" as const, inputs: [rows] };
    const params = { path: servedVersion };
    const answer = read(await client.POST("/v1/models/{name}/versions/{version}:predict", { params, body }));
    return "outputs" in answer && "label" in answer.outputs && answer.outputs["label"];
  },
  async get_inference_server() {
    const answer = read(await client.GET("/v2"));
    return answer.name;
  },
  async check_server_liveness() {
    const answer = read(await client.GET("/v2/health/live"));
    return answer.live;
  },
  async check_server_readiness() {
    const answer = read(await client.GET("/v2/health/ready"));
    return answer.ready;
  },
  async list_inference_models() {
    const answer = read(await client.GET("/v2/models"));
    return answer.models;
  },
  async get_served_model() {
    const answer = read(await client.GET("/v2/models/{name}", { params: { path: served } }));
    return [answer.versions, answer.inputs[0]?.shape, answer.outputs[0]?.datatype];
  },
  async get_served_version() {
    const answer = read(await client.GET("/v2/models/{name}/versions/{version}", { params: { path: servedVersion } }));
    return [answer.versions, answer.inputs[0]?.shape, answer.outputs[0]?.datatype];
  },
  async check_served_model() {
    const answer = read(await client.GET("/v2/models/{name}/ready", { params: { path: served } }));
    return answer.ready;
  },
  async check_served_version() {
    const answer = read(await client.GET("/v2/models/{name}/versions/{version}/ready", { params: { path: servedVersion } }));
    return answer.ready;
  },
  async get_model_config() {
    const answer = read(await client.GET("/v2/models/{name}/config", { params: { path: served } }));
    return [answer.input[0]?.format, answer.output[0]?.dims];
  },
  async get_version_config() {
    const answer = read(await client.GET("/v2/models/{name}/versions/{version}/config", { params: { path: servedVersion } }));
    return [answer.input[0]?.format, answer.output[0]?.dims];
  },
  async get_model_statistics() {
    const answer = read(await client.GET("/v2/models/{name}/stats", { params: { path: served } }));
    return [answer.model_stats[0]?.name, answer.model_stats[0]?.inference_stats.cache_hit.count];
  },
  async get_version_statistics() {
    const answer = read(await client.GET("/v2/models/{name}/versions/{version}/stats", { params: { path: servedVersion } }));
    return [answer.model_stats[0]?.name, answer.model_stats[0]?.inference_stats.cache_hit.count];
  },
  async get_all_statistics() {
    const answer = read(await client.GET("/v2/models/stats"));
    return [answer.model_stats[0]?.name, answer.model_stats[0]?.inference_stats.cache_hit.count];
  },
  async infer_tensor() {
    const data = Array.from({ length: 784 }, (_, place) => (place === 0 ? 3 : 0));
    const tensor = { name: "image", shape: [1, 28, 28, 1], datatype: "UINT8" as const, data };
    const body = { id: "a", inputs: [tensor] };
    const { id, outputs } = read(await client.POST("/v2/models/{name}/infer", { params: { path: served }, body }));
    const { error } = await client.POST("/v2/models/{name}/infer", { params: { path: { name: "none" } }, body });
    return [id, outputs[0]?.shape, error?.error];
  },
  async infer_version_tensor() {
    const data = [Buffer.from(await getPicture(1)).toString("base64")];
    const tensor = { name: "image", shape: [1], datatype: "BYTES" as const, data };
    const body = { inputs: [tensor], outputs: [{ name: "label" as const }] };
    const params = { path: servedVersion };
    const answer = read(await client.POST("/v2/models/{name}/versions/{version}/infer", { params, body }));
    return answer.outputs[0]?.data;
  },
  async list_repository() {
    const answer = read(await client.POST("/v2/repository/index", { body: { ready: true } }));
    return answer.map(({ name, state }) => [name, state]);
  },
  async get_log_settings() {
    const answer = read(await client.GET("/v2/logging"));
    return answer.log_info;
  },
  async keep_log_settings() {
    const answer = read(await client.POST("/v2/logging", { body: {} }));
    return answer.log_info;
  },
  async get_trace_settings() {
    const answer = read(await client.GET("/v2/trace/setting"));
    return answer.trace_level;
  },
  async keep_trace_settings() {
    const answer = read(await client.POST("/v2/trace/setting", { body: {} }));
    return answer.trace_level;
  },
  async get_model_trace() {
    const answer = read(await client.GET("/v2/models/{name}/trace/setting", { params: { path: served } }));
    return answer.trace_level;
  },
  async keep_model_trace() {
    const answer = read(await client.POST("/v2/models/{name}/trace/setting", { params: { path: served }, body: {} }));
    return answer.trace_level;
  },
  async list_system_memory() {
    const answer = read(await client.GET("/v2/systemsharedmemory/status"));
    return answer;
  },
  async find_system_memory() {
    const answer = read(await client.GET("/v2/systemsharedmemory/region/{region}/status", { params: { path: { region: "region" } } }));
    return answer;
  },
  async list_cuda_memory() {
    const answer = read(await client.GET("/v2/cudasharedmemory/status"));
    return answer;
  },
  async find_cuda_memory() {
    const answer = read(await client.GET("/v2/cudasharedmemory/region/{region}/status", { params: { path: { region: "region" } } }));
    return answer;
  },
  async unregister_system_memory() {
    return read(await client.POST("/v2/systemsharedmemory/unregister"));
  },
  async unregister_cuda_memory() {
    return read(await client.POST("/v2/cudasharedmemory/unregister"));
  },
  async unregister_system_region() {
    return read(await client.POST("/v2/systemsharedmemory/region/{region}/unregister", { params: { path: { region: "region" } } }));
  },
  async unregister_cuda_region() {
    return read(await client.POST("/v2/cudasharedmemory/region/{region}/unregister", { params: { path: { region: "region" } } }));
  },
};

const answers = await Promise.all(Object.entries(calls).map(async ([id, call]) => [id, await call()] as const));
console.log(JSON.stringify(Object.fromEntries(answers)));
