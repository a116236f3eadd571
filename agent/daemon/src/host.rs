//! `cofferdam.host.v1.HostService`: the host itself.

use std::sync::Arc;

use cofferdam_proto::host::v1::host_service_server::HostService;
use cofferdam_proto::host::v1::{
    GetHostRequest, GetHostResponse, ReadServiceRequest, ReadServiceResponse, UpdateTrustRequest,
    UpdateTrustResponse,
};
use tonic::{Request, Response, Status};

use crate::fault::Fault;
use crate::peers::gateway;
use crate::pipeline::{Agent, describe_host, read_service};

/// The service.
#[derive(Debug, Clone)]
pub struct Host(pub Arc<Agent>);

#[tonic::async_trait]
impl HostService for Host {
    async fn get_host(
        &self,
        request: Request<GetHostRequest>,
    ) -> Result<Response<GetHostResponse>, Status> {
        let gateway = gateway(&request)?;
        let described = describe_host(&self.0, &gateway, request.into_inner()).await;
        let (host, receipt) = described.map_err(Fault::into_status)?;
        Ok(Response::new(GetHostResponse { host: Some(host), receipt: Some(receipt) }))
    }

    async fn read_service(
        &self,
        request: Request<ReadServiceRequest>,
    ) -> Result<Response<ReadServiceResponse>, Status> {
        let gateway = gateway(&request)?;
        let read = read_service(&self.0, &gateway, request.into_inner()).await;
        let (report, receipt) = read.map_err(Fault::into_status)?;
        Ok(Response::new(ReadServiceResponse { report: Some(report), receipt: Some(receipt) }))
    }

    async fn update_trust(
        &self,
        request: Request<UpdateTrustRequest>,
    ) -> Result<Response<UpdateTrustResponse>, Status> {
        gateway(&request)?;
        let UpdateTrustRequest { trust } = request.into_inner();
        let signed = trust.unwrap_or_default();
        let taken = tokio::task::block_in_place(|| self.0.standing.take(&signed));
        let version = taken.map_err(|error| Fault::from(error).into_status())?;
        Ok(Response::new(UpdateTrustResponse { version }))
    }
}
