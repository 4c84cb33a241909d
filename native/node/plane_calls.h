#pragma once

#include <node_api.h>

#include "plane.h"
#include "values.h"

// The methods of NativePlane in src/fanout/native-addon.ts, by their names there.

namespace streamkit::calls {

napi_value bind(Plane& plane, Arguments& arguments);
napi_value listenTcp(Plane& plane, Arguments& arguments);
napi_value openRelay(Plane& plane, Arguments& arguments);
napi_value trustCertificates(Plane& plane, Arguments& arguments);
napi_value dialRelay(Plane& plane, Arguments& arguments);
napi_value sendToRelay(Plane& plane, Arguments& arguments);
napi_value bindChannel(Plane& plane, Arguments& arguments);
napi_value unbindChannel(Plane& plane, Arguments& arguments);
napi_value closeRelay(Plane& plane, Arguments& arguments);
napi_value createEndpoint(Plane& plane, Arguments& arguments);
napi_value setLocalCredentials(Plane& plane, Arguments& arguments);
napi_value setRemoteCredentials(Plane& plane, Arguments& arguments);
napi_value sendPacket(Plane& plane, Arguments& arguments);
napi_value keepConsent(Plane& plane, Arguments& arguments);
napi_value endConsent(Plane& plane, Arguments& arguments);
napi_value closeEndpoint(Plane& plane, Arguments& arguments);
napi_value setCertificate(Plane& plane, Arguments& arguments);
napi_value startDtls(Plane& plane, Arguments& arguments);
napi_value sendDtls(Plane& plane, Arguments& arguments);
napi_value createProducer(Plane& plane, Arguments& arguments);
napi_value sendFrame(Plane& plane, Arguments& arguments);
napi_value setProducerBitrate(Plane& plane, Arguments& arguments);
napi_value closeProducer(Plane& plane, Arguments& arguments);
napi_value createTransport(Plane& plane, Arguments& arguments);
napi_value closeTransport(Plane& plane, Arguments& arguments);
napi_value rtcpDropped(Plane& plane, Arguments& arguments);
napi_value transportStats(Plane& plane, Arguments& arguments);
napi_value consume(Plane& plane, Arguments& arguments);
napi_value pauseConsumer(Plane& plane, Arguments& arguments);
napi_value resumeConsumer(Plane& plane, Arguments& arguments);
napi_value switchConsumer(Plane& plane, Arguments& arguments);
napi_value setTargetBitrate(Plane& plane, Arguments& arguments);
napi_value closeConsumer(Plane& plane, Arguments& arguments);
napi_value consumerStats(Plane& plane, Arguments& arguments);
napi_value openMediaSocket(Plane& plane, Arguments& arguments);
napi_value bindMediaStream(Plane& plane, Arguments& arguments);
napi_value unbindMediaStream(Plane& plane, Arguments& arguments);
napi_value mediaSocketStats(Plane& plane, Arguments& arguments);
napi_value closeMediaSocket(Plane& plane, Arguments& arguments);
napi_value stats(Plane& plane, Arguments& arguments);
napi_value close(Plane& plane, Arguments& arguments);

}  // namespace streamkit::calls
