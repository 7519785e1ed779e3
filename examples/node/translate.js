const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const definition = loader.loadSync("buhin/translate/v1/translate.proto", {
  includeDirs: ["protos", "examples/node/node_modules/google-proto-files"], keepCase: true, enums: String,
});
const { TranslateService } = grpc.loadPackageDefinition(definition).buhin.translate.v1;
const client = new TranslateService("localhost:50053", grpc.credentials.createInsecure());

client.TranslateText({ contents: ["避難所は小学校です。"], target_language_code: "en" }, (error, answer) => {
  if (error) throw error;
  console.log(answer.translations[0].translated_text, answer.review, answer.provenance.models);
  client.close();
});
